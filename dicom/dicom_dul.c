#include "dicom/dicom_dul.h"

#include <assert.h>

#define INFO(id, name, next, other, text) {name, text, next, other},
const struct dicom_dul_action_info dicom_dul_actions[DUL_ACTION_COUNT] = {
    {"", "nothing", DUL_STA1, DUL_STA1}, DICOM_DUL_ACTION_MAP(INFO)};
#undef INFO

/* clang-format off */
#define E(event, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13)                            \
    [DUL_EVT##event] = {0, DUL_##s1, DUL_##s2, DUL_##s3, DUL_##s4, DUL_##s5, DUL_##s6, DUL_##s7,    \
                        DUL_##s8, DUL_##s9, DUL_##s10, DUL_##s11, DUL_##s12, DUL_##s13},

/* PS3.8 Table 9-10; indices from 1, row and column 0 are unused. */
static const uint8_t table[DUL_EVT_END][DUL_STA_END] = {
/*     Sta1  Sta2  Sta3  Sta4  Sta5  Sta6  Sta7  Sta8  Sta9  Sta10  Sta11 Sta12 Sta13 */
E( 1,  AE_1, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE)
E( 2,  NONE, NONE, NONE, AE_2, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE)
E( 3,  NONE, AA_1, AA_8, NONE, AE_3, AA_8, AA_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_6)
E( 4,  NONE, AA_1, AA_8, NONE, AE_4, AA_8, AA_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_6)
E( 5,  AE_5, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE)
E( 6,  NONE, AE_6, AA_8, NONE, AA_8, AA_8, AA_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_7)
E( 7,  NONE, NONE, AE_7, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE)
E( 8,  NONE, NONE, AE_8, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, NONE)
E( 9,  NONE, NONE, NONE, NONE, NONE, DT_1, NONE, AR_7, NONE, NONE,  NONE, NONE, NONE)
E(10,  NONE, AA_1, AA_8, NONE, AA_8, DT_2, AR_6, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_6)
E(11,  NONE, NONE, NONE, NONE, NONE, AR_1, NONE, NONE, NONE, NONE,  NONE, NONE, NONE)
E(12,  NONE, AA_1, AA_8, NONE, AA_8, AR_2, AR_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_6)
E(13,  NONE, AA_1, AA_8, NONE, AA_8, AA_8, AR_3, AA_8, AA_8, AR_10, AR_3, AA_8, AA_6)
E(14,  NONE, NONE, NONE, NONE, NONE, NONE, NONE, AR_4, AR_9, NONE,  NONE, AR_4, NONE)
E(15,  NONE, NONE, AA_1, AA_2, AA_1, AA_1, AA_1, AA_1, AA_1, AA_1,  AA_1, AA_1, NONE)
E(16,  NONE, AA_2, AA_3, NONE, AA_3, AA_3, AA_3, AA_3, AA_3, AA_3,  AA_3, AA_3, AA_2)
E(17,  NONE, AA_5, AA_4, AA_4, AA_4, AA_4, AA_4, AA_4, AA_4, AA_4,  AA_4, AA_4, AR_5)
E(18,  NONE, AA_2, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,  NONE, NONE, AA_2)
E(19,  NONE, AA_1, AA_8, NONE, AA_8, AA_8, AA_8, AA_8, AA_8, AA_8,  AA_8, AA_8, AA_7)
};
/* clang-format on */
#undef E

enum dicom_dul_action dicom_dul_action(enum dicom_dul_event event, enum dicom_dul_state state)
{
    assert(event > 0 && event < DUL_EVT_END && state > 0 && state < DUL_STA_END);
    return (enum dicom_dul_action)table[event][state];
}
