/* What becomes of an HL7 message without memory: all of it is read and answered, or nothing. */
#include "hl7/hl7_batch.h"
#include "hl7/hl7_order.h"
#include "without_memory.h"

static const char order[] =
    "MSH|^~\\&|HIS|QINGHE|RDC|RDC|20260131080000||ORM^O01|MSG1|P|2.5.1|||AL|NE||UNICODE UTF-8\r"
    "PID|1||P1^^^QINGHE^PI~11010119900307233X^^^CN^NNCHN||测试^一||19900307|M\r"
    "PV1|1|O||||||Ref^Erring\r"
    "ORC|NW|PL1^HIS|F1|||||||||123^王^医生\r"
    "OBR|1|PL1^HIS||CTCH^胸部\\T\\CT^L||||||||||||||ACC1||||||CT|||^^^202601311000^^S\r"
    "ZDS|1.2.3.4^^Application^DICOM\r";

static enum base_err run_order(const void *arg, struct base_buf *out, struct base_error *err)
{
    static struct hl7_message m;
    struct hl7_problem problem;
    struct base_json j;
    enum base_err e = hl7_parse(base_bytes_str(arg), &m, err);
    base_json_init(&j, out);
    e = e ? e : hl7_orders_write(&m, &j, &problem);
    const struct hl7_ack ack = {.code = "AE",
                                .text = "测试",
                                .error_code = "101",
                                .error_name = "Required field missing",
                                .location = "PID^1^3",
                                .control_id = "1",
                                .time = "20260131080000+0800"};
    if (!e)
        hl7_write_ack(&m, &ack, out);
    return e;
}

START_TEST(an_order_is_read_whole_or_not)
{
    without_memory("order", run_order, order);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("memory");
    tcase_add_test(tcase, an_order_is_read_whole_or_not);
    Suite *suite = suite_create("hl7_memory");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n != 0;
}
