"""Days, moments and periods as the messages of taxpayers' credit write them."""


def day(text):
    return text and f"{text[:4]}-{text[4:6]}-{text[6:]}"


def moment(text):
    return text and f"{day(text[:8])}T{text[8:10]}:{text[10:12]}:{text[12:]}+08:00"


def period(text):
    return text and text.replace("至", "/")
