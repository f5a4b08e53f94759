/* SPDX-License-Identifier: Apache-2.0
 *
 * predict_print.c - `turnery predict`: answers as words, as JSON, as files.
 */
#include "predict.h"

#include <string.h>

bool is_wanted(const strings *wanted, const char *name)
{
    bool found = wanted->n == 0;
    for (int i = 0; i < wanted->n && !found; i++) found = strcmp(wanted->v[i], name) == 0;
    return found;
}

static void json_element(FILE *to, const tn_tensor *t, int64_t i)
{
    const tn_string *text = tn_tensor_dtype(t) == TN_STRING ? (const tn_string *)tn_tensor_data(t) + i : NULL;
    if (text)
        json_bytes(to, text->p, text->n);
    else
        json_number(to, tn_tensor_number(t, i));
}

void print_json(FILE *to, const strings *wanted, const answers *out)
{
    const char *comma = "";
    putc('{', to);
    for (int i = 0; i < out->n; i++) {
        if (!is_wanted(wanted, out->names[i])) continue;
        fputs(comma, to);
        json_text(to, out->names[i]);
        fputs(":[", to);
        for (int64_t k = 0; k < tn_tensor_count(out->values[i]); k++) {
            if (k) putc(',', to);
            json_element(to, out->values[i], k);
        }
        putc(']', to);
        comma = ",";
    }
    fputs("}\n", to);
}

static tn_code check_wanted(const strings *wanted, const answers *out, tn_error *err)
{
    for (int i = 0; i < wanted->n; i++) {
        bool found = false;
        for (int k = 0; k < out->n && !found; k++) found = strcmp(wanted->v[i], out->names[k]) == 0;
        if (!found) return usage_error(err, "the model has no output '%s'; its first is '%s'", wanted->v[i],
                                       out->n ? out->names[0] : "");
    }
    return TN_OK;
}

static tn_code write_files(const predict_values *v, const answers *out, tn_error *err)
{
    tn_code code = output_folder(v->folder, err);
    for (int i = 0; code == TN_OK && i < out->n; i++)
        if (is_wanted(&v->wanted, out->names[i])) code = tensor_file(v->folder, out->names[i], out->values[i], err);
    return code;
}

tn_code give_answers(const predict_values *v, const answers *out, tn_error *err)
{
    tn_code code = check_wanted(&v->wanted, out, err);
    if (code != TN_OK) return code;
    if (v->folder) return write_files(v, out, err);
    if (v->json) {
        print_json(stdout, &v->wanted, out);
        return TN_OK;
    }
    for (int i = 0; i < out->n; i++) {
        if (!is_wanted(&v->wanted, out->names[i])) continue;
        char *text = tn_tensor_text(out->values[i], 1000);
        const char *rows = text && strchr(text, '\n') ? "\n" : " "; /* below one another only when all are */
        printf("%s =%s%s\n", out->names[i], rows, text ? text : "");
        tn_text_free(text);
    }
    return TN_OK;
}
