"""Expands messages that are compressed with SLDC (ECMA-321)."""

HISTORY = 1024
FLUSH, SCHEME_1, SCHEME_2, END_OF_RECORD, RESET_1, RESET_2 = 0, 1, 2, 4, 5, 6


class Bits:
    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, count):
        value = 0
        for _ in range(count):
            value = value << 1 | self.data[self.position // 8] >> 7 - self.position % 8 & 1
            self.position += 1
        return value

    def align(self, width):
        self.position += -self.position % width


def expand(data):
    """Returns the bytes before End Of Record, and the bytes behind it, which begin at a multiple of 16 bits."""
    bits, history, address, output, scheme = Bits(data), bytearray(HISTORY), 0, bytearray(), None
    while True:
        control = None
        if scheme == 2:
            byte = bits.take(8)
            if byte == 0xFF and bits.take(1):
                control = bits.take(4)
            else:
                copied = [byte]
        elif not bits.take(1):
            copied = [bits.take(8)]
        else:
            ones = 0
            while ones < 4 and bits.take(1):
                ones += 1
            count = 32 + bits.take(8) if ones == 4 else (2 << ones) + bits.take(ones + 1)
            if count >= 32 + 0xF0:
                control = count - 32 - 0xF0
            else:
                copied, start = None, bits.take(10)
        if control is None:
            if copied is None:
                # The copied range may overlap the bytes that are written.
                for offset in range(count):
                    byte = history[(start + offset) % HISTORY]
                    output.append(byte)
                    history[address] = byte
                    address = (address + 1) % HISTORY
                continue
            output += bytes(copied)
            history[address] = copied[0]
            address = (address + 1) % HISTORY
        elif control == END_OF_RECORD:
            bits.align(16)
            return bytes(output), data[bits.position // 8 :]
        elif control == FLUSH:
            bits.align(32)
        elif control in (SCHEME_1, SCHEME_2):
            scheme = control
        elif control in (RESET_1, RESET_2):
            history, address, scheme = bytearray(HISTORY), 0, control - RESET_1 + 1
        else:
            raise ValueError("control symbol %d" % control)
