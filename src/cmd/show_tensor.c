/* SPDX-License-Identifier: Apache-2.0
 *
 * show_tensor.c - `turnery show` of one tensor: what it is, statistics, values; and of .npy files, which hold
 * one.
 */
#include "show.h"

#include <string.h>

/* TensorFlow's Python names, which are NumPy's where it has the type. */
const char *dtype_text(tn_dtype t)
{
    static const struct {
        int number;
        const char *text, *numpy;
    } rows[] = {
#define ROW(name, number, size, text, numpy) {number, text, numpy},
        TN_DTYPES(ROW)
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].number == (int)t) return rows[i].numpy ? rows[i].numpy : rows[i].text;
    return tn_dtype_name(t);
}

static void stats_facts(const tn_tensor *t, facts *f)
{
    tn_stats s;
    if (tn_tensor_stats(t, &s, NULL) != TN_OK) return;
    facts_object(f, "statistics");
    facts_int(f, "count", s.count);
    facts_double(f, "min", s.min);
    facts_double(f, "max", s.max);
    facts_double(f, "mean", s.mean);
    facts_double(f, "std", s.std);
    facts_int(f, "zeros", s.zero);
    facts_int(f, "nan", s.nan);
    facts_int(f, "inf", s.inf);
    facts_end(f);
}

void tensor_facts(const show_values *v, const tn_tensor *t, facts *f)
{
    facts_text(f, "dtype", dtype_text(tn_tensor_dtype(t)));
    facts_shape(f, "shape", tn_tensor_shape(t));
    facts_size(f, "bytes", (int64_t)tn_tensor_bytes(t));
    stats_facts(t, f);
    facts_tensor(f, "values", t, v->limit ? v->limit : 1000);
}

static bool fits(const look *l)
{
    return !l->is_folder && l->n >= 6 && !memcmp(l->head, "\x93NUMPY", 6);
}

static tn_code show(const show_values *v, const char *path, facts *f, tn_error *err)
{
    tn_tensor *t;
    tn_code code = tn_tensor_load(path, &t, err);
    if (code != TN_OK) return code;
    tensor_facts(v, t, f);
    tn_tensor_unref(t);
    return TN_OK;
}

const show_kind show_npy = {"npy", fits, show};
