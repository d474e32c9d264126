#include "model/model_cause.h"

#include "base/json.h"

#include <string.h>

#define MODEL_CAUSE_CODE(name, code) [MODEL_CAUSE_##name] = code,
static const char *const codes[] = {MODEL_CAUSE_MAP(MODEL_CAUSE_CODE)};

/* Text and remedy, English and Chinese. */
static const struct model_cause_text texts[] = {
    [MODEL_CAUSE_NONE] = {"in order", "正常", "", ""},
    [MODEL_CAUSE_UNKNOWN_AET] = {"no device has this calling AE title", "没有登记这个主叫 AE Title",
                                 "correct the AE title on the device, or register it: "
                                 "rdc device add AET --org CODE",
                                 "请更正设备上的本机 AE Title,或登记设备:"
                                 "rdc device add AET --org CODE"},
    [MODEL_CAUSE_DISABLED] = {"the device or its centre is disabled", "设备或其所属中心已停用",
                              "enable it: rdc device enable AET, or rdc org enable CODE",
                              "请启用:rdc device enable AET 或 rdc org enable CODE"},
    [MODEL_CAUSE_WRONG_ADDRESS] =
        {"the device calls from another network address than it is registered with",
         "设备的来源地址与登记的地址不符",
         "compare the address with rdc device list; register the new one with rdc device add "
         "AET --org CODE --address IP",
         "请用 rdc device list 核对地址;如地址已变更,请用 rdc device add AET --org CODE "
         "--address IP 登记新地址"},
    [MODEL_CAUSE_WRONG_CALLED] =
        {"the device calls us by another AE title than ours", "设备填写的被叫 AE Title 不正确",
         "set the called (remote) AE title on the device to ours (dicom.aet), or to the one "
         "registered with --called",
         "请将设备上的被叫(对方)AE Title 改为本服务的 AE Title(dicom.aet),或登记时 --called "
         "所给的名称"},
    [MODEL_CAUSE_NO_CONTEXT] =
        {"none of the proposed presentation contexts can be accepted",
         "设备提出的表示上下文无一可接受",
         "look at the contexts below: switch the service or the transfer syntax on the device",
         "请查看下列上下文,在设备上更换服务类型或传输语法"},
    [MODEL_CAUSE_CONTEXT_REFUSED] =
        {"some of the proposed presentation contexts were refused",
         "设备提出的部分表示上下文被拒绝",
         "only if objects of these classes fail to arrive: change the class or the transfer "
         "syntax on the device",
         "如该类对象未能到达,请在设备上更换对象类型或传输语法"},
    [MODEL_CAUSE_SOP_CLASS] =
        {"this service or object class is not offered", "不支持该服务或对象类别",
         "choose another service or object type on the device; private object types are "
         "taken with dicom.private-classes = yes",
         "请在设备上选择其他服务或对象类型;厂家私有对象需设置 "
         "dicom.private-classes = yes"},
    [MODEL_CAUSE_TRANSFER_SYNTAX] =
        {"no transfer syntax in common", "没有共同支持的传输语法",
         "allow Explicit or Implicit VR Little Endian on the device",
         "请在设备上启用 Explicit 或 Implicit VR Little Endian 传输语法"},
    [MODEL_CAUSE_NOT_ACCEPTABLE] =
        {"the application context, protocol version or maximum PDU length of the request is not "
         "usable",
         "关联请求的应用上下文、协议版本或最大 PDU 长度不可用",
         "set the maximum PDU length of the device to 16384; else its program is not a DICOM 3.0 "
         "one, or "
         "damaged: ask its vendor",
         "请将设备的最大 PDU 长度设为 16384;否则其程序不符合 DICOM 3.0 或已损坏,请联系厂家"},
    [MODEL_CAUSE_TLS_ON_PLAIN] = {"the device speaks TLS on the port without TLS",
                                  "设备在非加密端口上使用了 TLS",
                                  "switch TLS off on the device, or use our TLS port",
                                  "请在设备上关闭 TLS,或改用本服务的 TLS 端口"},
    [MODEL_CAUSE_PLAIN_ON_TLS] = {"the device speaks without TLS on the TLS port",
                                  "设备在 TLS 端口上未使用加密",
                                  "switch TLS on on the device, or use our plain port",
                                  "请在设备上启用 TLS,或改用本服务的非加密端口"},
    [MODEL_CAUSE_TLS_FAILED] =
        {"the TLS handshake failed", "TLS 握手失败",
         "the device must offer TLS 1.2 or 1.3 with a cipher suite of BCP 195 and trust our "
         "certificate",
         "设备须支持 TLS 1.2 或 1.3 及 BCP 195 加密套件,并信任本服务的证书"},
    [MODEL_CAUSE_CERTIFICATE_MISSING] = {"the device has not shown a certificate", "设备未出示证书",
                                         "install the device's certificate and key on it",
                                         "请在设备上安装设备证书和私钥"},
    [MODEL_CAUSE_CERTIFICATE_UNKNOWN] =
        {"the certificate of the device is not known here", "设备证书未在本服务登记或不受信任",
         "register the certificate for the device, or add who issued it to the trusted ones",
         "请为设备登记该证书,或将其签发机构加入信任列表"},
    [MODEL_CAUSE_CERTIFICATE_EXPIRED] =
        {"the certificate of the device has expired or is not valid yet",
         "设备证书已过期或尚未生效", "renew the certificate; check the clock of the device",
         "请更新证书,并检查设备时钟"},
    [MODEL_CAUSE_CERTIFICATE_BAD] =
        {"the certificate of the device cannot be used", "设备证书不可用",
         "see the detail; issue a new one for the device: RSA of at least 2048 bits or ECDSA, "
         "SHA-256, for client authentication, with a short chain",
         "见详细信息;请为设备重新签发证书:RSA 2048 位以上或 ECDSA、SHA-256、"
         "可用于客户端认证、证书链不宜过长"},
    [MODEL_CAUSE_HTTP] = {"an HTTP request came to the DICOM port", "DICOM 端口收到了 HTTP 请求",
                          "use the HTTP port", "请改用 HTTP 端口"},
    [MODEL_CAUSE_MLLP] = {"an HL7 message came to the DICOM port", "DICOM 端口收到了 HL7 消息",
                          "use the HL7 port", "请改用 HL7 端口"},
    [MODEL_CAUSE_SSH] = {"SSH came to the DICOM port", "DICOM 端口收到了 SSH 连接",
                         "this port serves DICOM only; check who calls",
                         "此端口仅提供 DICOM 服务,请核查来源"},
    [MODEL_CAUSE_DICOM_ON_HTTP] = {"a DICOM association request came to the HTTP port",
                                   "HTTP 端口收到了 DICOM 关联请求", "use the DICOM port",
                                   "请改用 DICOM 端口"},
    [MODEL_CAUSE_HL7_ON_HTTP] = {"an HL7 message came to the HTTP port", "HTTP 端口收到了 HL7 消息",
                                 "use the HL7 port", "请改用 HL7 端口"},
    [MODEL_CAUSE_DICOM_ON_HL7] = {"a DICOM association request came to the HL7 port",
                                  "HL7 端口收到了 DICOM 关联请求", "use the DICOM port",
                                  "请改用 DICOM 端口"},
    [MODEL_CAUSE_HTTP_ON_HL7] = {"an HTTP request came to the HL7 port", "HL7 端口收到了 HTTP 请求",
                                 "use the HTTP port", "请改用 HTTP 端口"},
    [MODEL_CAUSE_NOT_DICOM] = {"the first bytes are no DICOM", "收到的数据不是 DICOM",
                               "check which program on that machine uses this port",
                               "请检查该机器上是哪个程序连接了此端口"},
    [MODEL_CAUSE_NOT_HL7] =
        {"what came to the HL7 port is no message in an MLLP frame",
         "HL7 端口收到的数据不是 MLLP 帧中的消息",
         "set the sender to MLLP (0B, the message, 1C 0D); else check which program on that "
         "machine "
         "uses this port",
         "请将发送方设为 MLLP(0B、消息、1C 0D);否则请检查该机器上是哪个程序连接了此端口"},
    [MODEL_CAUSE_HL7_UNKNOWN] =
        {"an HL7 message came from a sender that is not registered", "收到未登记发送方的 HL7 消息",
         "register it: rdc hl7 add APP^FACILITY --org CODE, with its MSH-3 "
         "and MSH-4",
         "请登记该发送方:rdc hl7 add APP^FACILITY --org CODE(其 MSH-3 和 MSH-4)"},
    [MODEL_CAUSE_HL7_REFUSED] = {"an HL7 sender is registered, and not as it came",
                                 "HL7 发送方已登记,但此次连接与登记不符",
                                 "compare its address, certificate and state with rdc hl7 list, "
                                 "and correct one of the two",
                                 "请用 rdc hl7 list 核对其地址、证书和状态,并更正其中一方"},
    [MODEL_CAUSE_TOO_MANY] = {"as many associations are open as the server allows",
                              "服务器的关联数已达上限",
                              "the device tries again by itself; else raise dicom.max-associations",
                              "设备会自动重试;如经常出现,请调大 dicom.max-associations"},
    [MODEL_CAUSE_DEVICE_TOO_MANY] =
        {"the device has as many associations open as it may", "该设备的关联数已达其上限",
         "the device tries again by itself; if it leaves associations open, ask its vendor; else "
         "raise its limit: rdc device change AET --max-associations N",
         "设备会自动重试;如设备不释放关联,请联系厂家;否则请调大其上限:"
         "rdc device change AET --max-associations N"},
    [MODEL_CAUSE_TOO_FAST] =
        {"requests come faster than they may, and too many wait already",
         "请求速率超过上限,等待的请求过多",
         "the device tries again by itself; if it needs more, raise its limit: rdc device change "
         "AET --max-rate N, or dicom.max-rate for all",
         "设备会自动重试;确有需要时请调大上限:rdc device change AET --max-rate N,"
         "或调大全局的 dicom.max-rate"},
    [MODEL_CAUSE_PDU_TOO_LARGE] = {"the device sends larger PDUs than we allow",
                                   "设备发送的 PDU 超过允许长度",
                                   "lower the PDU size on the device, or raise dicom.max-pdu",
                                   "请减小设备的 PDU 长度,或调大 dicom.max-pdu"},
    [MODEL_CAUSE_SILENT] =
        {"the device was silent for too long", "设备长时间无响应,连接超时",
         "check the network and the program on the device; slow ones need dicom.artim-seconds or "
         "dicom.idle-seconds",
         "请检查网络和设备程序;速度较慢时可调大 dicom.artim-seconds 或 dicom.idle-seconds"},
    [MODEL_CAUSE_PROTOCOL_ERROR] =
        {"the device broke the DICOM protocol", "设备违反了 DICOM 协议",
         "send the vendor of the device the detail and the log of that time",
         "请将详细信息和该时段日志提供给设备厂家"},
    [MODEL_CAUSE_PEER_ABORTED] = {"the device broke the association off", "设备主动中断了关联",
                                  "look at the log of the device for its reason",
                                  "请查看设备日志中的原因"},
    [MODEL_CAUSE_PEER_CLOSED] =
        {"the connection was lost or closed without a release", "连接中断或未正常释放",
         "check the network, firewalls between, and whether the device was switched off",
         "请检查网络、防火墙,以及设备是否被关机"},
    [MODEL_CAUSE_ABORTED] = {"we broke the association off", "服务器中断了关联",
                             "look at the log of the server at that time",
                             "请查看该时段的服务器日志"},
    [MODEL_CAUSE_DATABASE] = {"the database of the server does not answer", "服务器的数据库无响应",
                              "the device tries again by itself; check the database",
                              "设备会自动重试;请检查数据库"},
    [MODEL_CAUSE_BUSY] = {"the server is busy", "服务器忙", "the device tries again by itself",
                          "设备会自动重试"},
    [MODEL_CAUSE_NO_ROOM] =
        {"an object could not be stored now (A7xx)", "对象暂时无法保存(A7xx)",
         "the device tries again by itself; check disk and database of the server",
         "设备会自动重试;请检查服务器磁盘和数据库"},
    [MODEL_CAUSE_FOLDER] =
        {"the folder that the device writes into cannot be used", "设备写入的监视文件夹无法使用",
         "it must exist, be mounted, and rdc's user be allowed to read it and to write into it: "
         "see the detail",
         "请确认文件夹存在、已挂载,且 rdc 的运行用户可读、可写;见详细信息"},
    [MODEL_CAUSE_FILE_WAITS] =
        {"files wait in the folder of the device, since they cannot be read, stored or moved",
         "文件夹中有文件无法读取、保存或移走,仍在等待",
         "they are tried again by themselves; for what stands in the way see the detail",
         "系统会自动重试;原因见详细信息"},
    [MODEL_CAUSE_FILE_REFUSED] =
        {"a file in the folder of the device was refused", "文件夹中有文件被拒收",
         "it lies in .refused beside a .txt with the reason; put a correct one into the folder",
         "该文件已移入 .refused,旁边的 .txt 写明原因;请更正后重新放入文件夹"},
    [MODEL_CAUSE_BAD_OBJECT] =
        {"an object is damaged or lacks a required UID", "对象损坏或缺少必需的 UID",
         "send it again; if that fails, ask the vendor of the device with the detail",
         "请重新发送;仍失败时请将详细信息提供给设备厂家"},
    [MODEL_CAUSE_SERVICE_REFUSED] = {"a request was answered with a failure", "请求被拒绝",
                                     "see the detail", "请查看详细信息"},
};

_Static_assert(sizeof texts / sizeof texts[0] == MODEL_CAUSE_COUNT, "each cause has its texts");

const char *model_cause_code(enum model_cause cause)
{
    return codes[cause];
}

const struct model_cause_text *model_cause_text(enum model_cause cause)
{
    return &texts[cause];
}

enum model_cause model_cause_find(const char *code)
{
    for (unsigned i = 0; i < MODEL_CAUSE_COUNT; i++)
        if (strcmp(code, codes[i]) == 0)
            return (enum model_cause)i;
    return MODEL_CAUSE_SERVICE_REFUSED;
}

void model_cause_json(struct base_buf *out)
{
    struct base_json j;
    base_json_init(&j, out);
    base_json_open_object(&j);
    for (unsigned i = 0; i < MODEL_CAUSE_COUNT; i++) {
        base_json_member_object(&j, codes[i]);
        base_json_member_string(&j, "text_en", texts[i].en);
        base_json_member_string(&j, "text_zh", texts[i].zh);
        base_json_member_string(&j, "remedy_en", texts[i].remedy_en);
        base_json_member_string(&j, "remedy_zh", texts[i].remedy_zh);
        base_json_close_object(&j);
    }
    base_json_close_object(&j);
}
