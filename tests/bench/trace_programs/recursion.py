"""Fibonacci and the towers of Hanoi, by plain recursion."""


def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def hanoi(disks, source, target, spare, moves):
    if disks == 0:
        return
    hanoi(disks - 1, source, spare, target, moves)
    moves.append((disks, source, target))
    hanoi(disks - 1, spare, target, source, moves)


def main():
    total = fib(12)  # @inspect total
    moves = []
    hanoi(6, "A", "C", "B", moves)  # @inspect moves
    assert (total, len(moves)) == (144, 63)
