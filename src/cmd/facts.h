/* SPDX-License-Identifier: Apache-2.0
 *
 * facts.h - what a command tells, said once and printed in two ways: as JSON for programs, as it is said; as tables,
 * lists and trees for people.
 *
 * Objects have members, lists have items (whose key is NULL). For people, members of the outermost object are printed
 * as they end: plain ones as "name value"; a list of flat objects as a table; a list of others one after another,
 * the first member as its heading. JSON numbers that are none are strings: "NaN", "Infinity", "-Infinity".
 */
#ifndef TN_CMD_FACTS_H
#define TN_CMD_FACTS_H

#include "cmd.h"

#include <stdio.h>

typedef struct facts facts;
facts *facts_new(FILE *to, bool json); /* NULL: no memory */
facts *facts_line(FILE *to);           /* JSON, all of it in one line; NULL: no memory */
/* Ends what is still open, the error (when there is one) as the last member; frees f. */
void facts_free(facts *f, const tn_error *err);
bool facts_json(const facts *f);

void facts_object(facts *f, const char *key);
void facts_list(facts *f, const char *key);
void facts_tree(facts *f, const char *key); /* a list whose items have such a list of their own as the last member */
void facts_end(facts *f);                   /* of the object or list begun last */

void facts_text(facts *f, const char *key, const char *text); /* NULL: null */
void facts_bytes(facts *f, const char *key, tn_bytes b);      /* {"b64": ...} unless it is UTF-8 text */
void facts_b64(facts *f, const char *key, tn_bytes b);        /* always in base64; for people how many bytes */
void facts_int(facts *f, const char *key, int64_t v);
void facts_size(facts *f, const char *key, int64_t bytes);
void facts_double(facts *f, const char *key, double v);
void facts_float(facts *f, const char *key, float v);
void facts_bool(facts *f, const char *key, bool v);
void facts_null(facts *f, const char *key);
void facts_time(facts *f, const char *key, double seconds); /* since 1970 */
void facts_shape(facts *f, const char *key, const tn_shape *s); /* [-1, 3]; null: rank unknown */
/* All elements as nested lists; for people at most `most` of them. */
void facts_tensor(facts *f, const char *key, const tn_tensor *t, int64_t most);

#endif
