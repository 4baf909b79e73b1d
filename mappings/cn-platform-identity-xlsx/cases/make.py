"""Makes the workbooks beside it with openpyxl, and what must be read from them out of the values put in.

    python make.py

The same run gives the same bytes. Everything is synthetic; numbers with check digits are the examples that the folder's
README names.
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
    "是否已取得登记证照", "姓名", "证件类型", "证件号码", "国家或地区", "是否存在免于报送收入信息情形", "店铺（用户）名称", "店铺（用户）唯一标识码",
    "账户名称", "银行账号/支付账户", "联系人姓名", "联系电话", "经营开始时间", "信息状态标识",
]
HEAD = {"operator": {"name": NAME, "taxpayer_number": NUMBER}, "platform_name": "测试优选", "reported_on": "2025-10-20"}


def headed():
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "身份"
    for row in [["互联网平台企业名称", NAME], ["统一社会信用代码（纳税人识别号）", NUMBER], ["平台名称", "测试优选"], ["报送日期", datetime.date(2025, 10, 20)], HEADINGS]:
        sheet.append(row)
    return workbook, sheet


# Long numbers as text, days as days.
workbook, sheet = headed()
sheet.append(["否", "合成甲", "201|居民身份证", "11010519491231002X", "156|中国", "否", "甲的小店", "0001", "合成甲", "6200000000000000001", "合成甲", "13800000000", datetime.date(2024, 3, 1), "新增"])
sheet.append(["否", "合成乙䶮", "201|居民身份证", "440524188001010014", "156|中国", "是", None, "SELLER-0002"])
sheet.append(["是", "测试个体工商户", None, None, None, "否", "测试店", "SELLER-0004", None, None, None, 13800000001, datetime.datetime(2025, 1, 31), None])
case("long-numbers-and-days", workbook, [
    HEAD | {"is_registered": False, "name": "合成甲", "id_type": "201", "id_number": "11010519491231002X", "country": "CN",
            "is_income_exempt": False, "shop_name": "甲的小店", "seller_id": "0001", "account": {"name": "合成甲", "number": "6200000000000000001"},
            "contact": {"name": "合成甲", "phone": "13800000000"}, "operating_since": "2024-03-01", "information_status": "新增"},
    HEAD | {"is_registered": False, "name": "合成乙䶮", "id_type": "201", "id_number": "440524188001010014", "country": "CN",
            "is_income_exempt": True, "seller_id": "SELLER-0002"},
    HEAD | {"is_registered": True, "name": "测试个体工商户", "is_income_exempt": False, "shop_name": "测试店", "seller_id": "SELLER-0004",
            "contact": {"phone": "13800000001"}, "operating_since": "2025-01-31"},
])

# An identity number typed as a number has lost its last digits; so has an account's.
workbook, sheet = headed()
sheet.append(["否", "合成乙", "201|居民身份证", 440524188001010014, "156|中国", "否", None, "SELLER-0001"])
sheet.append(["是", "合成丙", None, None, None, "否", None, "SELLER-0002", None, 6200000000000000001])
sheet.append(["是", "合成丁", None, None, None, "否", None, "SELLER-0003", None, None, None, None, 60])
sheet["M8"].number_format = "yyyy-mm-dd"
case("numbers-that-lost-digits", workbook, [], [
    {"rule": "xlsx.number-digits", "record": 1, "place": "身份!D6，证件号码"},
    {"rule": "identity.document", "record": 1, "canonical": "id_number"},
    {"rule": "xlsx.number-digits", "record": 2, "place": "身份!J7，银行账号/支付账户"},
    {"rule": "xlsx.date", "record": 3, "place": "身份!M8，经营开始时间"},
])
