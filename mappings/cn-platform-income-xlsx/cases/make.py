"""Makes the workbooks beside it with openpyxl, and what must be read from them out of the values put in.

    python make.py

The same run gives the same bytes. Everything is synthetic.
"""

import datetime
import functools
import pathlib
import sys

import openpyxl

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
import workbooks

case = functools.partial(workbooks.case, HERE)
NUMBER = "91350100M000100Y43"
NAME = "测试平台网络科技有限公司（合成数据）"
HEADINGS = [
    "收入来源的互联网平台名称", "店铺（用户）唯一标识码", "收入总额", "劳务报酬", "从事其他网络交易活动取得的收入（净额）",
    "支付给平台的佣金、服务费合计", "交易（订单）笔数", "收入所属期间",
]
HEAD = {"currency": "CNY", "operator": {"name": NAME, "taxpayer_number": NUMBER}, "platform_name": "测试优选", "reported_on": "2025-10-20"}
QUARTER = {"period": "2025-07-01/2025-09-30"}


def headed(title):
    """A workbook with the labelled values; the first rows as a clerk lays them out."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "收入"
    if title:
        sheet.append(["平台内经营者和从业人员收入信息报送表"])
        sheet.merge_cells("A1:H1")
    sheet.append(["互联网平台企业名称", NAME])
    sheet.append(["统一社会信用代码（纳税人识别号）", NUMBER])
    sheet.append(["平台名称", "测试优选"])
    sheet.append(["报送日期", datetime.date(2025, 10, 20)])
    return workbook, sheet


# Amounts as numbers with formats, as text, and computed with the error that binary fractions bring.
workbook, sheet = headed(title=True)
sheet.append(HEADINGS)
sheet.append(["测试优选", "SELLER-0001", 12800.5, 0, 0, 64 * 10 + 0.1 - 0.07, 128, "2025Q3"])
sheet["C7"].number_format = '"¥"#,##0.00'
sheet.append(["测试优选，直播", "店铺𠮷-0002", "3000.00", "3000.00", None, 0.1 + 0.2, "12", "2025Q3"])
sheet.append([None] * 8)
sheet.append(["测试优选", "007", -30, None, None, 99999999999.99, 999999999, "2025-07-01至2025-09-30"])
case("numbers-and-texts", workbook, [
    HEAD | QUARTER | {"platform": "测试优选", "seller_id": "SELLER-0001", "gross_income": "12800.50", "labour_income": "0.00",
                      "other_income": "0.00", "fees": "640.03", "transactions": 128},
    HEAD | QUARTER | {"platform": "测试优选，直播", "seller_id": "店铺𠮷-0002", "gross_income": "3000.00", "labour_income": "3000.00",
                      "fees": "0.30", "transactions": 12},
    HEAD | QUARTER | {"platform": "测试优选", "seller_id": "007", "gross_income": "-30.00", "fees": "99999999999.99",
                      "transactions": 999999999},
], [{"rule": "income.fees-within-income", "record": 3, "place": "收入!F10，支付给平台的佣金、服务费合计", "severity": "warning"}])

# Columns in another order, one of a heading that nobody asks for.
workbook, sheet = headed(title=False)
order = [7, 6, 5, 4, 3, 2, 1, 0]
sheet.append(["备注", *(HEADINGS[i] for i in order)])
sheet.append(["#N/A", "2025Q3", 7, 70, None, None, 1400, "SELLER-0009", "测试优选"])
case("columns-in-another-order", workbook, [
    HEAD | QUARTER | {"platform": "测试优选", "seller_id": "SELLER-0009", "gross_income": "1400.00", "fees": "70.00", "transactions": 7},
])

# What a clerk gets wrong; each finding names its cell.
workbook, sheet = headed(title=False)
sheet.append(HEADINGS)
sheet.append(["测试优选", "SELLER-0001", 1.005, None, None, None, 1, "2025Q3"])
sheet.append(["测试优选", 6200000000000000001, 5, None, None, None, 1, "2025Q3"])
sheet.append(["测试优选", "SELLER-0003", "１００", None, None, None, 1, "2025Q3"])
sheet.append(["测试优选", "SELLER-0004", "#DIV/0!", None, None, None, 1, "2025Q3"])
sheet.append(["测试优选", "SELLER-0005", "=C6+C7", None, None, None, 1, "2025Q3"])
sheet.append(["测试优选", "SELLER-0006", 8, None, None, None, 1.5, "2025Q3"])
sheet.append(["测试优选", "SELLER-0007", 9, None, None, None, 1, "2025Q5"])
sheet.append(["测试优选", "SELLER-0008", 10, None, None, None, 1, "2025Q3"])
sheet.append([None, "SELLER-0009", 11, None, None, None, 1, "2025Q3"])
sheet.merge_cells("A13:A14")
sheet.append(["测试优选", "SELLER-0010", 12, None, None, None, 1, "2025Q3"])
sheet.row_dimensions[15].hidden = True
sheet.append(["测试优选", "SELLER-0011", 13, None, None, None, 1, "2025Q3"])
gross = "收入总额"
case("wrong-cells", workbook, [
    HEAD | QUARTER | {"platform": "测试优选", "seller_id": "SELLER-0011", "gross_income": "13.00", "transactions": 1},
], [
    {"rule": "type.money-decimals", "record": 1, "place": f"收入!C6，{gross}"},
    {"rule": "xlsx.number-digits", "record": 2, "place": "收入!B7，店铺（用户）唯一标识码"},
    {"rule": "type.full-width", "record": 3, "place": f"收入!C8，{gross}"},
    {"rule": "xlsx.error-value", "record": 4, "place": f"收入!C9，{gross}"},
    {"rule": "xlsx.formula", "record": 5, "place": f"收入!C10，{gross}"},
    {"rule": "type.integer", "record": 6, "place": "收入!G11，交易（订单）笔数"},
    {"rule": "type.tax-period", "record": 7, "place": "收入!H12，收入所属期间"},
    {"rule": "xlsx.merged", "record": 8, "place": "收入：第 13 行"},
    {"rule": "xlsx.merged", "record": 9, "place": "收入：第 14 行"},
    {"rule": "xlsx.hidden-row", "record": 10, "place": "收入：第 15 行"},
])
