"""The identity table with Chinese headings, read with Python's csv; countries by their ISO 3166 numbers in pycountry."""

import pycountry

from chinese_tables import columns, table
from reading import main

COLUMNS = {
    "name": "姓名",
    "id_number": "证件号码",
    "shop_name": "店铺（用户）名称",
    "seller_id": "店铺（用户）唯一标识码",
    "account.name": "账户名称",
    "account.number": "银行账号/支付账户",
    "contact.name": "联系人姓名",
    "contact.phone": "联系电话",
    "operating_since": "经营开始时间",
    "information_status": "信息状态标识",
}
YES = {"是": "true", "否": "false", "": None}


def read(body):
    header, rows = table(body)
    for row in rows:
        record = columns(row, header, COLUMNS)
        record["is_registered"] = YES[row["是否已取得登记证照"]]
        record["is_income_exempt"] = YES[row["是否存在免于报送收入信息情形"]]
        record["id_type"] = row["证件类型"].split("|")[0] or None
        country = row["国家或地区"].split("|")[0]
        record["country"] = pycountry.countries.get(numeric=country).alpha_2 if country else None
        yield record


main(read)
