"""CEB603 in its DxpMsg envelope, read with lxml and Python's base64."""

import base64

import ceb603
from lxml import etree
from reading import main

DXP = "{http://www.chinaport.gov.cn/dxp}"


def read(body):
    envelope = etree.fromstring(body)
    assert envelope.tag == DXP + "DxpMsg" and envelope.get("ver") == "1.0", envelope.tag
    transport, payload = envelope
    assert transport.tag == DXP + "TransInfo" and payload.tag == DXP + "Data"
    assert transport.findtext(DXP + "MsgType") == "CEB603Message"
    around = {
        "sender": transport.findtext(DXP + "SenderId"),
        "receiver": transport.findtext(f"{DXP}ReceiverIds/{DXP}ReceiverId"),
    }
    for record in ceb603.read(base64.b64decode(payload.text, validate=True)):
        assert record.get("message_id") == transport.findtext(DXP + "CopMsgId")
        yield record | around


main(read)
