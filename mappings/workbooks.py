"""Cases of mappings that read workbooks, written beside the script that makes them. The same workbook gives the same bytes."""

import io
import json
import zipfile

CORE = b'<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>'


def saved(workbook):
    """The workbook without the moments at which it was made."""
    made, fixed = io.BytesIO(), io.BytesIO()
    workbook.save(made)
    with zipfile.ZipFile(made) as archive, zipfile.ZipFile(fixed, "w") as out:
        for info in archive.infolist():
            entry = zipfile.ZipInfo(info.filename)
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, CORE if info.filename == "docProps/core.xml" else archive.read(info))
    return fixed.getvalue()


def case(folder, name, workbook, records, findings=None):
    """Writes a workbook, and the records and findings that reading it must give."""
    (folder / f"{name}.in.xlsx").write_bytes(saved(workbook))
    lines = [json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n" for record in records]
    (folder / f"{name}.out.ndjson").write_text("".join(lines), encoding="utf-8")
    if findings is not None:
        rows = ",\n  ".join(json.dumps(finding, ensure_ascii=False) for finding in findings)
        (folder / f"{name}.findings.json").write_text(f"[\n  {rows}\n]\n", encoding="utf-8")
