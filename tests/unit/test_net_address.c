#include "net/net_address.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>

static struct net_address of(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(104)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(104)};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return net_address_of((const struct sockaddr *)&in);
    ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return net_address_of((const struct sockaddr *)&in6);
}

START_TEST(addresses_are_told_as_they_are_registered)
{
    static const struct {
        const char *is;
        const char *told;
        bool loopback;
    } cases[] = {{"192.0.2.7", "192.0.2.7", false},        {"127.0.0.2", "127.0.0.2", true},
                 {"2001:db8::7", "2001:db8::7", false},    {"::1", "::1", true},
                 {"::ffff:192.0.2.7", "192.0.2.7", false}, {"::ffff:127.0.0.1", "127.0.0.1", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_address a = of(cases[i].is);
        ck_assert_str_eq(a.text, cases[i].told);
        ck_assert_int_eq(a.loopback, cases[i].loopback);
        ck_assert_int_eq(a.port, 104);
    }
}
END_TEST

START_TEST(another_family_has_no_address)
{
    struct sockaddr a = {.sa_family = AF_UNIX};
    ck_assert_str_eq(net_address_of(&a).text, "");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_address");
    TCase *tc = tcase_create("address");
    tcase_add_test(tc, addresses_are_told_as_they_are_registered);
    tcase_add_test(tc, another_family_has_no_address);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
