/* SPDX-License-Identifier: Apache-2.0
 *
 * graph_fixture.h - a graph with its builder and, from the first run on, a session; with a folder, where it is asked for.
 */
#ifndef TN_GRAPH_FIXTURE_H
#define TN_GRAPH_FIXTURE_H

#include <stdlib.h>

#include "test.h"

#include "graph/op.h"
#include "plan/session.h"

typedef struct fixture {
    tn_graph *g;
    tn_builder *b;
    tn_session *s;
    tn_error err;
    char folder[64];
} fixture;

/* Another graph in a fixture whose one was closed. */
static inline void fixture_open_graph(fixture *f)
{
    f->g = tn_graph_new();
    f->b = tn_builder_new(f->g);
    assert_non_null(f->b);
}

static inline void fixture_open(fixture *f)
{
    *f = (fixture){0};
    fixture_open_graph(f);
}

static inline void fixture_close(fixture *f)
{
    tn_session_free(f->s);
    tn_builder_free(f->b);
    tn_graph_free(f->g);
    f->s = NULL;
}

/* With a folder of its own, which is removed at the end. */
static inline void fixture_open_folder(fixture *f)
{
    fixture_open(f);
    snprintf(f->folder, sizeof f->folder, "/tmp/tn_test_XXXXXX");
    assert_non_null(mkdtemp(f->folder));
}

static inline void fixture_close_folder(fixture *f)
{
    fixture_close(f);
    assert_ok(tn_remove_tree(f->folder, &f->err), &f->err);
}

/* For cmocka: one of these is a test's state. */
static inline int fixture_set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    fixture_open(f);
    *state = f;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* One fetch, one target, or both; NULL: none. */
static inline tn_code fixture_run(fixture *f, const char *fetch, const char *target, tn_tensor **out)
{
    if (!f->s) {
        assert_ok(tn_builder_check(f->b, &f->err), &f->err);
        assert_ok(tn_session_new(f->g, NULL, &f->s, &f->err), &f->err);
    }
    return tn_session_run(f->s, NULL, 0, &fetch, fetch != NULL, out, &target, target != NULL, &f->err);
}

#endif
