/* SPDX-License-Identifier: Apache-2.0
 *
 * predict_print.c - `turnery predict`: answers as words, as JSON, as files.
 */
#include "facts.h"
#include "predict.h"

#include <string.h>

bool is_wanted(const strings *wanted, const char *name)
{
    bool found = wanted->n == 0;
    for (int i = 0; i < wanted->n && !found; i++) found = strcmp(wanted->v[i], name) == 0;
    return found;
}

bool print_json(FILE *to, const strings *wanted, const answers *out)
{
    facts *f = facts_line(to);
    for (int i = 0; f && i < out->n; i++)
        if (is_wanted(wanted, out->names[i])) facts_tensor(f, out->names[i], out->values[i], 0);
    facts_free(f, NULL);
    return f != NULL;
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
    if (v->json) return print_json(stdout, &v->wanted, out) ? TN_OK : no_memory(err);
    for (int i = 0; i < out->n; i++) {
        if (!is_wanted(&v->wanted, out->names[i])) continue;
        char *text = tn_tensor_text(out->values[i], 1000);
        const char *rows = text && strchr(text, '\n') ? "\n" : " "; /* below one another only when all are */
        printf("%s =%s%s\n", out->names[i], rows, text ? text : "");
        tn_text_free(text);
    }
    return TN_OK;
}
