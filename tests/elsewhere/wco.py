"""What the messages of the WCO Data Model share."""

MD = "urn:wco:datamodel:WCO:DocumentMetaData-DMS:2"


def moment(tree, path):
    """CCYYMMDDhhmmss with the offset of Shanghai (UN/EDIFACT 2379, 304)."""
    tree.is_always(f"{path}/ds:DateTimeString/@formatCode", "304")
    text = tree.text(f"{path}/ds:DateTimeString")
    if text is None:
        return None
    assert len(text) == 17 and text[14:] == "+08", text
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:14]}+08:00"


def amount(tree, path):
    return {"value": tree.text(path), "currency": tree.text(f"{path}/@currencyID")}
