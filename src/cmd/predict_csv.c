/* SPDX-License-Identifier: Apache-2.0
 *
 * predict_csv.c - `turnery predict --csv`: rows of a table made questions, so many rows each.
 *
 * Where the first row names inputs, each column is one input's; otherwise each row is what the one input has for it.
 * A question is written as the JSON line that --stdin would take.
 */
#include "predict.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 65536 };

typedef struct table {
    const asked *a;
    const char *path;
    FILE *f;
    char *line;
    size_t size;
    int64_t number; /* of the line */
    char **cells;   /* in line */
    int n_cells, n_columns;
    int *inputs;    /* of the columns; NULL: all are the one input's */
    char **texts;   /* of each input: its values so far */
    size_t *lengths;
    FILE **writers;
} table;

/* ==== rows ==== */

/* A cell in place, without its quotes; what follows it, NULL at the end of the row. */
static char *take_cell(char *s, char **cell)
{
    *cell = s;
    if (*s != '"') {
        s += strcspn(s, ",");
        char *next = *s ? s + 1 : NULL;
        *s = 0;
        return next;
    }
    char *to = *cell = ++s;
    for (; *s && !(*s == '"' && s[1] != '"'); s++) {
        if (*s == '"') s++;
        *to++ = *s;
    }
    s += *s == '"';
    char *next = *s == ',' ? s + 1 : NULL;
    *to = 0;
    return next;
}

/* The next row that is not empty. OUT_OF_RANGE: there is none. */
static tn_code read_row(table *t, tn_error *err)
{
    do {
        if (getline(&t->line, &t->size, t->f) < 0) return TN_OUT_OF_RANGE;
        t->number++;
        t->line[strcspn(t->line, "\r\n")] = 0;
    } while (!*t->line);
    char *at = t->line;
    for (t->n_cells = 0; at; t->n_cells++) {
        if (t->n_cells == MOST_COLUMNS)
            return usage_error(err, "%s: line %lld has more than %d columns", t->path, (long long)t->number,
                               MOST_COLUMNS);
        at = take_cell(at, &t->cells[t->n_cells]);
    }
    if (t->n_columns && t->n_cells != t->n_columns)
        return usage_error(err, "%s: line %lld has %d columns, the first has %d", t->path, (long long)t->number,
                           t->n_cells, t->n_columns);
    t->n_columns = t->n_cells;
    return TN_OK;
}

static bool names_inputs(const table *t)
{
    for (int i = 0; i < t->n_cells; i++)
        if (inputs_find(t->a->in, t->a->n_in, t->cells[i], strlen(t->cells[i])) < 0) return false;
    return true;
}

/* *is_row: the first line is one already. */
static tn_code read_head(table *t, bool *is_row, tn_error *err)
{
    tn_code code = read_row(t, err);
    if (code == TN_OUT_OF_RANGE) return usage_error(err, "%s has no rows", t->path);
    if (code != TN_OK) return code;
    *is_row = !names_inputs(t);
    if (*is_row && t->a->n_in != 1)
        return usage_error(err, "%s: '%.100s' is no input of the model; the first row names the columns' inputs",
                           t->path, t->cells[0]);
    if (*is_row) return TN_OK;
    t->inputs = calloc(MOST_COLUMNS, sizeof *t->inputs);
    if (!t->inputs) return no_memory(err);
    for (int i = 0; i < t->n_cells; i++)
        t->inputs[i] = inputs_find(t->a->in, t->a->n_in, t->cells[i], strlen(t->cells[i]));
    return TN_OK;
}

/* ==== questions ==== */

static void put_cell(FILE *to, const tn_spec *spec, const char *cell)
{
    if (spec->dtype == TN_STRING)
        json_text(to, cell);
    else
        fputs(*cell ? cell : "nan", to);
}

static tn_code begin_texts(table *t, tn_error *err)
{
    for (int i = 0; i < t->a->n_in; i++)
        if (!(t->writers[i] = open_memstream(&t->texts[i], &t->lengths[i]))) return no_memory(err);
    return TN_OK;
}

/* Of an input whose shape is known the values alone; otherwise a list a row. */
static void put_row(table *t, int64_t row)
{
    bool lists = !t->inputs && t->a->in[0].shape.rank < 0;
    if (lists) fputs(row ? ",[" : "[", t->writers[0]);
    for (int i = 0; i < t->n_cells; i++) {
        int input = t->inputs ? t->inputs[i] : 0;
        if (lists ? i > 0 : ftell(t->writers[input]) > 0) putc(',', t->writers[input]);
        put_cell(t->writers[input], &t->a->in[input], t->cells[i]);
    }
    if (lists) putc(']', t->writers[0]);
}

/* Ends the texts; the line, or NULL: no memory. */
static char *make_line(table *t)
{
    char *line = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&line, &n);
    if (to) putc('{', to);
    for (int i = 0; i < t->a->n_in; i++) {
        if (t->writers[i]) fclose(t->writers[i]);
        t->writers[i] = NULL;
        if (to && t->lengths[i]) {
            if (ftell(to) > 1) putc(',', to);
            json_text(to, t->a->in[i].name);
            fprintf(to, ":[%s]", t->texts[i]);
        }
        free(t->texts[i]);
        t->texts[i] = NULL;
        t->lengths[i] = 0;
    }
    if (to) putc('}', to);
    if (to && fclose(to)) {
        free(line);
        line = NULL;
    }
    return line;
}

static tn_code make_questions(table *t, int64_t batch, bool is_row, csv_question ask, void *payload, tn_error *err)
{
    tn_code code = TN_OK;
    while (code == TN_OK) {
        int64_t rows = 0;
        if ((code = begin_texts(t, err)) != TN_OK) return code;
        for (; rows < batch; rows++) {
            if (!is_row && (code = read_row(t, err)) != TN_OK) break;
            is_row = false;
            put_row(t, rows);
        }
        char *line = make_line(t);
        if (!line) return no_memory(err);
        if (rows && (code == TN_OK || code == TN_OUT_OF_RANGE)) ask(payload, line);
        free(line);
    }
    return code == TN_OUT_OF_RANGE ? TN_OK : code;
}

static void close_table(table *t)
{
    if (t->f) fclose(t->f);
    for (int i = 0; t->writers && t->texts && i < t->a->n_in; i++) {
        if (t->writers[i]) fclose(t->writers[i]);
        free(t->texts[i]);
    }
    free(t->line);
    free(t->cells);
    free(t->inputs);
    free(t->texts);
    free(t->lengths);
    free(t->writers);
}

tn_code csv_questions(const char *path, int64_t batch, const asked *a, csv_question ask, void *payload, tn_error *err)
{
    table t = {.a = a, .path = path, .f = fopen(path, "r")};
    size_t n = (size_t)a->n_in + 1;
    bool is_row = false;
    if (!t.f) return file_error(path, err);
    t.cells = calloc(MOST_COLUMNS, sizeof *t.cells);
    t.texts = calloc(n, sizeof *t.texts);
    t.lengths = calloc(n, sizeof *t.lengths);
    t.writers = calloc(n, sizeof(FILE *));
    tn_code code = t.cells && t.texts && t.lengths && t.writers ? TN_OK : no_memory(err);
    if (code == TN_OK) code = read_head(&t, &is_row, err);
    if (code == TN_OK) code = make_questions(&t, batch, is_row, ask, payload, err);
    close_table(&t);
    return code;
}
