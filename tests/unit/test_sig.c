/* SPDX-License-Identifier: Apache-2.0
 *
 * test_sig.c - signatures: every one of TensorFlow's parses, every operator of ours has TensorFlow's, and
 * malformed lines are refused.
 */
#include "graph/op.h"
#include "tensorflow_table.h"

static void every_signature_parses(void **state)
{
    (void)state;
    tn_buf text = {0};
    tn_map *golden = tensorflow_table("op_sigs.txt", &text);
    assert_true(tn_map_count(golden) > 1800);
    for (size_t i = 0; i < tn_map_count(golden); i++) {
        tn_sig *sig = tn_sig_parse(tn_map_value(golden, i));
        if (!sig) fail_msg("%s: %s", tn_map_key(golden, i), (char *)tn_map_value(golden, i));
        tn_free(sig);
    }
    tn_map_free(golden);
    tn_buf_free(&text);
}

static void our_signatures_are_tensorflows(void **state)
{
    (void)state;
    tn_buf text = {0};
    tn_map *golden = tensorflow_table("op_sigs.txt", &text);
    for (int i = 0; i < tn_op_count(); i++) {
        const tn_op *op = tn_op_at(i);
        const char *wanted = tn_map_get(golden, op->name);
        if (!wanted) fail_msg("%s is no operator of TensorFlow's", op->name);
        if (strcmp(wanted, op->sig)) fail_msg("%s\n has %s\n not %s", op->name, op->sig, wanted);
        assert_non_null(tn_op_sig(op));
        assert_ptr_equal(tn_op_sig(op), tn_op_sig(op));
    }
    tn_map_free(golden);
    tn_buf_free(&text);
}

static void registry_finds_all(void **state)
{
    (void)state;
    for (int i = 0; i < tn_op_count(); i++) assert_ptr_equal(tn_op_find(tn_op_at(i)->name), tn_op_at(i));
    assert_null(tn_op_find("NoSuchOperator"));
    assert_null(tn_op_find(""));
    assert_null(tn_op_at(-1));
    assert_null(tn_op_at(tn_op_count()));
}

static void arguments(void **state)
{
    (void)state;
    tn_sig *s = tn_sig_parse(
        "values:N*T axis:Tidx x:&float list:[Tin] -> out:&N*resource; N:int>=2 T:type Tidx:type=int32 "
        "Tin:list(type)>=0");
    assert_non_null(s);
    assert_int_equal(s->n_in, 4);
    assert_string_equal(s->in[0].number_attr, "N");
    assert_string_equal(s->in[0].type_attr, "T");
    assert_string_equal(s->in[1].type_attr, "Tidx");
    assert_null(s->in[1].number_attr);
    assert_true(s->in[2].is_ref);
    assert_int_equal(s->in[2].type, TN_FLOAT);
    assert_null(s->in[2].type_attr);
    assert_string_equal(s->in[3].type_list_attr, "Tin");
    assert_int_equal(s->n_out, 1);
    assert_true(s->out[0].is_ref);
    assert_int_equal(s->out[0].type, TN_RESOURCE);
    assert_true(s->attrs[0].has_min);
    assert_int_equal(s->attrs[0].min, 2);
    assert_false(s->attrs[0].has_default);
    assert_int_equal(s->attrs[2].def.type, TN_INT32);
    tn_free(s);
}

static void defaults(void **state)
{
    (void)state;
    tn_sig *s = tn_sig_parse(
        "-> ; a:string=\"x\\u0020\\\"y\\\\\" b:list(int)=[1,-2] c:float=-inf d:bool=true e:shape=unknown "
        "f:shape=[2,?] g:list(string)=[\"p,q\",\"\"] h:list(type)=[float,half] i:list(float)=[] "
        "j:string{SAME,VALID}=\"SAME\" k:type{numbertype} l:type{float,realnumbertype} m:shape=[]");
    assert_non_null(s);
    assert_int_equal(s->n_attrs, 13);
    assert_int_equal(s->attrs[0].def.s.n, 5);
    assert_memory_equal(s->attrs[0].def.s.p, "x \"y\\", 5);
    assert_int_equal(s->attrs[1].def.n, 2);
    assert_int_equal(s->attrs[1].def.is[1], -2);
    assert_true(s->attrs[2].def.f < -1e38f);
    assert_true(s->attrs[3].def.b);
    assert_int_equal(s->attrs[4].def.shape.rank, -1);
    assert_int_equal(s->attrs[5].def.shape.rank, 2);
    assert_int_equal(s->attrs[5].def.shape.dim[1], -1);
    assert_int_equal(s->attrs[6].def.n, 2);
    assert_int_equal(s->attrs[6].def.ss[0].n, 3);
    assert_int_equal(s->attrs[7].def.types[1], TN_HALF);
    assert_true(s->attrs[8].has_default);
    assert_int_equal(s->attrs[8].def.n, 0);
    assert_string_equal(s->attrs[9].allowed_strings, "SAME|VALID");
    assert_true(s->attrs[10].allowed_types >> TN_COMPLEX64 & 1);
    assert_false(s->attrs[10].allowed_types >> TN_BOOL & 1);
    assert_true(s->attrs[11].allowed_types >> TN_UINT64 & 1);
    assert_false(s->attrs[11].allowed_types >> TN_COMPLEX64 & 1);
    assert_int_equal(s->attrs[12].def.shape.rank, 0);
    tn_free(s);
}

static void malformed_lines(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "->",
        "a:T b:T",
        "a -> ; T:type",
        "a:[T -> ; T:type",
        "-> ; T",
        "-> ; T:nonsense",
        "-> ; T:list(int",
        "-> ; a:int=",
        "-> ; a:int=x",
        "-> ; a:bool=maybe",
        "-> ; a:type{nonsense}",
        "-> ; a:type{float",
        "-> ; a:string=\"x",
        "-> ; a:string=\"\\q\"",
        "-> ; a:string=\"\\u12\"",
        "-> ; a:list(int)=[1",
        "-> ; a:list(int)=[1 2]",
        "-> ; a:shape=[1,2",
        "-> ; a:shape=[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
        "-> ; a:int>=",
        "-> ; a:int>=1x",
        "a:N* -> ; N:int",
        "-> ; a:func=1",
        "-> ; a:int{1}",
        "a: -> ;",
        "a:& -> ;",
    };
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        tn_sig *s = tn_sig_parse(bad[i]);
        if (s) fail_msg("parsed: %s", bad[i]);
    }
}

static void no_memory(void **state)
{
    (void)state;
    tn_malloc_fail_at(1);
    assert_null(tn_sig_parse("a:T -> b:T; T:type"));
    tn_malloc_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_signature_parses),
        cmocka_unit_test(our_signatures_are_tensorflows),
        cmocka_unit_test(registry_finds_all),
        cmocka_unit_test(arguments),
        cmocka_unit_test(defaults),
        cmocka_unit_test(malformed_lines),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
