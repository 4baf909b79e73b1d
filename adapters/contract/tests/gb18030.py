"""Every scalar value of Unicode in CPython's GB 18030, in order: for each the number of bytes, then the bytes."""

import sys

for code in range(0x110000):
    if not 0xD800 <= code < 0xE000:
        encoded = chr(code).encode("gb18030")
        sys.stdout.buffer.write(bytes([len(encoded)]) + encoded)
