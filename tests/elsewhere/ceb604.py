"""CEB604, the answer to an export inventory, read with lxml."""

from reading import main
from trees import body

NAMES = {"c": "http://www.chinaport.gov.cn/ceb"}
STATUS = {"1": "stored", "2": "declaring", "3": "sent", "4": "sending-failed", "100": "rejected", "120": "received", "300": "manual-review"}
STATUS |= {"399": "accepted", "500": "inspection", "501": "detained", "700": "returned", "800": "cleared", "899": "end-of-goods"}


def record(message, tree):
    at = lambda name: tree.text(f"c:{name}")
    time, status = at("returnTime"), at("returnStatus")
    assert time is None or len(time) == 17, time
    return {
        "message_id": message.text("@guid"),
        "customs_office": at("customsCode"),
        "status": "failed" if status.startswith("-") else STATUS[status],
        "status_code": status,
        "status_text": at("returnInfo"),
        "issued_at": time and "{}-{}-{}T{}:{}:{}.{}".format(time[:4], time[4:6], time[6:8], time[8:10], time[10:12], time[12:14], time[14:]).removesuffix(".000") + "+08:00",
        "declaration": {
            "system_id": at("guid"),
            "platform_code": at("ebpCode"),
            "merchant_code": at("ebcCode"),
            "declarant_code": at("agentCode"),
            "reference": at("copNo"),
            "pre_entry_number": at("preNo"),
            "number": at("invtNo"),
        },
    }


def read(data):
    message = body(data, "c:CEB604Message", NAMES)
    message.is_always("@version", "1.0")
    return message.whole(*[record(message, tree) for tree in message.each("c:InventoryReturn")])


if __name__ == "__main__":
    main(read)
