/* SPDX-License-Identifier: Apache-2.0
 *
 * reflection.c - gRPC's server reflection (v1 and v1alpha): which services there are, and the .proto files of their
 * messages, so that tools such as grpcurl need no files of their own.
 */
#include "reflection.h"

#include "grpc_api.h"

typedef struct files { /* of the descriptor set */
    const tn_view_list *bytes;
    tn_FileDescriptorProto **v;
} files;

static tn_code read_files(tn_arena *a, files *out, tn_error *err)
{
    tn_FileDescriptors *set;
    TN_TRY(TN_DECODE(FileDescriptors, tn_descriptor_set(), a, &set, err));
    out->bytes = &set->file;
    out->v = TN_ARRAY(a, set->file.n + 1, tn_FileDescriptorProto *);
    if (!out->v) return tn_no_memory(err, 0);
    for (uint32_t i = 0; i < set->file.n; i++)
        TN_TRY(TN_DECODE(FileDescriptorProto, set->file.items[i], a, &out->v[i], err));
    return TN_OK;
}

/* ==== names ==== */

/* Takes `name` off the front of a path; what follows is empty, or a dot and more. */
static bool take_name(tn_view *path, tn_view name)
{
    if (path->n < name.n || memcmp(path->p, name.p, name.n) != 0) return false;
    if (path->n > name.n && path->p[name.n] != '.') return false;
    size_t used = TN_MIN(name.n + 1, path->n);
    *path = (tn_view){path->p + used, path->n - used};
    return true;
}

static bool is_in_enums(const tn_EnumDescriptorProto_list *enums, tn_view path)
{
    for (uint32_t i = 0; i < enums->n; i++) {
        const tn_EnumDescriptorProto *e = &enums->items[i];
        if (tn_view_eq(e->name, path)) return true;
        for (uint32_t k = 0; k < e->value.n; k++) /* values are their enum's neighbours */
            if (tn_view_eq(e->value.items[k].name, path)) return true;
    }
    return false;
}

static bool is_in_fields(const tn_FieldDescriptorProto_list *fields, tn_view path)
{
    for (uint32_t i = 0; i < fields->n; i++)
        if (tn_view_eq(fields->items[i].name, path)) return true;
    return false;
}

/* As deep as messages are nested in the set. */
static bool is_in_messages(const tn_DescriptorProto_list *messages, tn_view path)
{
    for (uint32_t i = 0; i < messages->n; i++) {
        const tn_DescriptorProto *m = &messages->items[i];
        tn_view rest = path;
        if (!take_name(&rest, m->name)) continue;
        if (!rest.n) return path.n == m->name.n;
        if (is_in_fields(&m->field, rest) || is_in_enums(&m->enum_type, rest) || is_in_messages(&m->nested_type, rest))
            return true;
    }
    return false;
}

static bool is_in_services(const tn_ServiceDescriptorProto_list *services, tn_view path)
{
    for (uint32_t i = 0; i < services->n; i++) {
        const tn_ServiceDescriptorProto *s = &services->items[i];
        tn_view rest = path;
        if (!take_name(&rest, s->name)) continue;
        if (!rest.n) return path.n == s->name.n;
        for (uint32_t k = 0; k < s->method.n; k++)
            if (tn_view_eq(s->method.items[k].name, rest)) return true;
    }
    return false;
}

static bool has_symbol(const tn_FileDescriptorProto *f, tn_view symbol)
{
    if (!take_name(&symbol, f->package) || !symbol.n) return false;
    return is_in_messages(&f->message_type, symbol) || is_in_enums(&f->enum_type, symbol) ||
           is_in_services(&f->service, symbol);
}

static int file_named(const files *f, tn_view name)
{
    for (uint32_t i = 0; i < f->bytes->n; i++)
        if (tn_view_eq(f->v[i]->name, name)) return (int)i;
    return -1;
}

static int file_with(const files *f, tn_view symbol)
{
    for (uint32_t i = 0; i < f->bytes->n; i++)
        if (has_symbol(f->v[i], symbol)) return (int)i;
    return -1;
}

/* ==== answers ==== */

static tn_code fail_with(tn_ServerReflectionResponse *r, tn_arena *a, tn_code code, const char *what, tn_error *err)
{
    tn_ErrorResponse *e = TN_NEW(a, tn_ErrorResponse);
    if (!e) return tn_no_memory(err, sizeof *e);
    e->error_code = code;
    e->error_message = tn_view_of(what);
    TN_SET(r, ServerReflectionResponse, message_response, error_response) = e;
    return TN_OK;
}

/* The file first, then what it depends on. */
static tn_code add_files(tn_ServerReflectionResponse *r, const files *f, int first, tn_arena *a, tn_error *err)
{
    tn_FileDescriptorResponse *files = TN_NEW(a, tn_FileDescriptorResponse);
    bool *wanted = TN_ARRAY(a, f->bytes->n + 1, bool);
    if (!files || !wanted) return tn_no_memory(err, 0);
    wanted[first] = true;
    for (int i = first; i >= 0; i--) { /* dependencies come before */
        if (!wanted[i]) continue;
        tn_view *bytes = TN_PUSH(a, &files->file_descriptor_proto);
        if (!bytes) return tn_no_memory(err, sizeof *bytes);
        *bytes = f->bytes->items[i];
        for (uint32_t k = 0; k < f->v[i]->dependency.n; k++) {
            int other = file_named(f, f->v[i]->dependency.items[k]);
            if (other >= 0) wanted[other] = true;
        }
    }
    TN_SET(r, ServerReflectionResponse, message_response, file_descriptor_response) = files;
    return TN_OK;
}

static tn_code list_services(const tn_service *s, tn_ServerReflectionResponse *r, tn_arena *a, tn_error *err)
{
    tn_ListServiceResponse *list = TN_NEW(a, tn_ListServiceResponse);
    const char *path;
    if (!list) return tn_no_memory(err, sizeof *list);
    for (size_t i = 0; (path = tn_grpc_path_at(s, i)); i++) {
        if (!*path) continue;
        tn_view name = {path + 1, strcspn(path + 1, "/")};
        bool has = false;
        for (uint32_t k = 0; k < list->service.n; k++) has |= tn_view_eq(list->service.items[k].name, name);
        tn_ServiceResponse *one = has ? NULL : TN_PUSH(a, &list->service);
        if (has) continue;
        if (!one) return tn_no_memory(err, sizeof *one);
        one->name = name;
    }
    TN_SET(r, ServerReflectionResponse, message_response, list_services_response) = list;
    return TN_OK;
}

/* No file of the set has extensions. */
static tn_code list_extensions(tn_ServerReflectionResponse *r, tn_view type, tn_arena *a, tn_error *err)
{
    tn_ExtensionNumberResponse *none = TN_NEW(a, tn_ExtensionNumberResponse);
    if (!none) return tn_no_memory(err, sizeof *none);
    none->base_type_name = type;
    TN_SET(r, ServerReflectionResponse, message_response, all_extension_numbers_response) = none;
    return TN_OK;
}

static tn_code fill(const tn_service *s, const tn_ServerReflectionRequest *in, tn_ServerReflectionResponse *r,
                    tn_arena *a, tn_error *err)
{
    files f;
    int file;
    if (in->message_request_case == TN_ServerReflectionRequest_list_services) return list_services(s, r, a, err);
    TN_TRY(read_files(a, &f, err));
    switch (in->message_request_case) {
    case TN_ServerReflectionRequest_file_by_filename:
        file = file_named(&f, in->file_by_filename);
        return file >= 0 ? add_files(r, &f, file, a, err) : fail_with(r, a, TN_NOT_FOUND, "File not found.", err);
    case TN_ServerReflectionRequest_file_containing_symbol:
        file = file_with(&f, in->file_containing_symbol);
        return file >= 0 ? add_files(r, &f, file, a, err) : fail_with(r, a, TN_NOT_FOUND, "Symbol not found.", err);
    case TN_ServerReflectionRequest_file_containing_extension:
        return fail_with(r, a, TN_NOT_FOUND, "Extension not found.", err);
    case TN_ServerReflectionRequest_all_extension_numbers_of_type:
        if (file_with(&f, in->all_extension_numbers_of_type) >= 0)
            return list_extensions(r, in->all_extension_numbers_of_type, a, err);
        return fail_with(r, a, TN_NOT_FOUND, "Type not found.", err);
    default: return fail_with(r, a, TN_INVALID_ARGUMENT, "invalid MessageRequest", err);
    }
}

tn_code tn_reflection_answer(const tn_service *s, const tn_ServerReflectionRequest *in, tn_arena *a,
                             tn_ServerReflectionResponse **out, tn_error *err)
{
    tn_ServerReflectionResponse *r = TN_NEW(a, tn_ServerReflectionResponse);
    if (!r) return tn_no_memory(err, sizeof *r);
    r->valid_host = in->host;
    r->original_request = (tn_ServerReflectionRequest *)in;
    TN_TRY(fill(s, in, r, a, err));
    *out = r;
    return TN_OK;
}

/* ==== the stream ==== */

/* A stream may ask very often: each question's memory goes with its answer. */
static tn_code answer(const tn_service *s, tn_grpc_call *call, tn_arena *a, tn_error *err)
{
    tn_ServerReflectionRequest *in;
    tn_ServerReflectionResponse *r;
    tn_buf body = {0};
    tn_code code = TN_DECODE(ServerReflectionRequest, tn_grpc_message(call), a, &in, err);
    if (code != TN_OK) return code == TN_DATA_LOSS ? TN_INTERNAL : code;
    TN_TRY(tn_reflection_answer(s, in, a, &r, err));
    code = TN_ENCODE(ServerReflectionResponse, r, &body, err);
    if (code == TN_OK) code = tn_grpc_send(call, &body, err);
    tn_buf_free(&body);
    return code;
}

void tn_reflect(tn_service *s, tn_grpc_call *call)
{
    tn_error err = {.code = TN_OK};
    tn_code code = TN_OK;
    if (tn_grpc_message(call).p) {
        tn_arena *a = tn_arena_new(0);
        code = a ? answer(s, call, a, &err) : tn_no_memory(&err, 0);
        tn_arena_free(a);
    }
    if (code != TN_OK || tn_grpc_is_last(call)) tn_grpc_reply(call, code, code == TN_OK ? "" : err.message, NULL);
    else tn_grpc_keep_open(call);
}
