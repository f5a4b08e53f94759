/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_token.c - one field of a message as it stands on the wire, whatever the message is.
 *
 * Invariants: nothing is read outside the input; groups, which only old files have, are taken whole and
 * to a limited depth.
 */
#include "proto_walk.h"

static const char *take_group(tn_view *in, uint32_t number, uint32_t depth);

const char *tn_proto_take_token(tn_view *in, tn_proto_token *t, uint32_t depth)
{
    tn_view rest = *in;
    uint64_t tag, n;
    if (!tn_varint_get(&rest, &tag)) return "a tag is cut short";
    if (tag > UINT32_MAX || tag >> 3 == 0) return "not a tag";
    *t = (tn_proto_token){.number = (uint32_t)tag >> 3, .wire = (tn_wire_type)(tag & 7)};
    const char *bad = NULL;
    switch (t->wire) {
    case TN_WIRE_VARINT:
        if (!tn_varint_get(&rest, &t->value)) return "a varint is cut short or too long";
        break;
    case TN_WIRE_64:
    case TN_WIRE_32:
        n = t->wire == TN_WIRE_64 ? 8 : 4;
        if (rest.n < n) return "a number is cut short";
        t->value = n == 8 ? tn_get64(rest.p) : tn_get32(rest.p);
        rest = (tn_view){rest.p + n, rest.n - n};
        break;
    case TN_WIRE_BYTES:
        if (!tn_varint_get(&rest, &n)) return "a length is cut short";
        if (n > rest.n) return "a length goes beyond the end";
        t->payload = (tn_view){rest.p, (size_t)n};
        rest = (tn_view){rest.p + n, rest.n - (size_t)n};
        break;
    case TN_WIRE_GROUP: bad = take_group(&rest, t->number, depth); break;
    default: return "not a wire type";
    }
    t->whole = (tn_view){in->p, (size_t)(rest.p - in->p)};
    *in = rest;
    return bad;
}

/* Takes the fields of a group of this number and its end. */
static const char *take_group(tn_view *in, uint32_t number, uint32_t depth)
{
    if (!depth) return "groups are nested too deep";
    for (;;) {
        tn_view rest = *in;
        uint64_t tag;
        if (!tn_varint_get(&rest, &tag)) return "a group is cut short";
        if ((tag & 7) == TN_WIRE_GROUP_END) {
            *in = rest;
            return tag >> 3 == number ? NULL : "a group has the wrong end";
        }
        tn_proto_token t;
        const char *bad = tn_proto_take_token(in, &t, depth - 1);
        if (bad) return bad;
    }
}
