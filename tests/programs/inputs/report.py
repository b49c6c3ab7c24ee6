"""Work for the Python interpreter: text, regular expressions, big integers, sorting, closures."""

import collections
import functools
import json
import random
import re
import sys

SCALE = int(sys.argv[1]) if len(sys.argv) > 1 else 1


def words(count):
    source = random.Random(7)
    stems = ["tier", "loop", "frame", "trap", "slot", "queue", "budget", "entry"]
    return [source.choice(stems) + str(source.randrange(50)) for _ in range(count)]


@functools.lru_cache(maxsize=None)
def partitions(n, largest):
    if n == 0:
        return 1
    return sum(partitions(n - part, part) for part in range(1, min(n, largest) + 1))


def matrix_power(m, n):
    result = [[int(i == j) for j in range(len(m))] for i in range(len(m))]
    product = lambda a, b: [[sum(x * y for x, y in zip(row, col)) for col in zip(*b)] for row in a]
    while n:
        if n & 1:
            result = product(result, m)
        m = product(m, m)
        n >>= 1
    return result


def main():
    text = " ".join(words(2000 * SCALE))
    counts = collections.Counter(re.findall(r"[a-z]+(?=\d*[02468]\b)", text))
    print("even words:", json.dumps(dict(sorted(counts.items()))))
    print("longest runs:", sorted(re.sub(r"\d", "", text).split(), key=lambda w: (-len(w), w))[:3])
    print("partitions:", partitions(18, 18))
    print("digits of a Fibonacci number:", len(str(matrix_power([[1, 1], [1, 0]], 2000)[0][1])))
    try:
        {}["missing"]
    except KeyError as error:
        print("caught", repr(error))
    total = 0.0
    for i in range(20000 * SCALE):
        total += (i % 7) ** 0.5 / (1 + i % 11)
    print("sum: %.9f" % total)


main()
