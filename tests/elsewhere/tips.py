"""What the scripts of the treasury-tax-bank link share: bodies in GBK, read with lxml."""

from lxml import etree


def message(body, number):
    assert body.startswith(b'<?xml version="1.0" encoding="GBK"?>'), body[:60]
    root = etree.fromstring(body)
    assert root.tag == "CFX" and at(root, "HEAD/MsgNo") == number and at(root, "HEAD/APP") == "TIPS"
    return root


def at(element, path):
    found = element.findall(path)
    assert len(found) <= 1, (path, found)
    return found[0].text or "" if found else None


def day(element, path):
    text = at(element, path)
    return None if text is None else f"{text[:4]}-{text[4:6]}-{text[6:]}"


def head(root, reference):
    return {
        "sending_node": at(root, "HEAD/SRC"),
        "receiving_node": at(root, "HEAD/DES"),
        "message_id": at(root, "HEAD/MsgID"),
        reference: at(root, "HEAD/MsgRef"),
        "work_date": day(root, "HEAD/WorkDate"),
    }
