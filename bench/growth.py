"""How times grow: exponents fitted to what was measured."""

import math

LEAST_ENTRIES = 2 * 10**6  # N D from which a step's time is no longer that of starting it


def solve(matrix, right):
    """Gauss, with the largest pivot."""
    n = len(right)
    rows = [[*line, value] for line, value in zip(matrix, right)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(rows[k][i]))
        if abs(rows[pivot][i]) < 1e-9:
            return None
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, n):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i])]
    solution = [0.0] * n
    for i in reversed(range(n)):
        solution[i] = (rows[i][n] - sum(rows[i][k] * solution[k] for k in range(i + 1, n))) / rows[i][i]
    return solution


def exponents(points):
    """Of seconds ~ x1^e1 x2^e2 ...: points are (x1, x2, ..., seconds). None where they do not decide it."""
    variables = len(points[0]) if points else 0
    if len(points) < variables:
        return None
    lines = [[1.0, *(math.log(x) for x in point[:-1])] for point in points]
    seconds = [math.log(point[-1]) for point in points]
    matrix = [[sum(a[i] * a[j] for a in lines) for j in range(variables)] for i in range(variables)]
    right = [sum(a[i] * y for a, y in zip(lines, seconds)) for i in range(variables)]
    found = solve(matrix, right)
    return found and found[1:]


def seconds_of(row, column):
    cell = row["ours"] if column == "ours" else row["peers"].get(column)
    return cell.get("seconds") if cell else None


def fit_rows(rows, columns, what, of_row, names, expected):
    """One entry per variable: exponents of each column that has enough points."""
    fitted = {}
    for column in ("ours", *columns):
        points = [(*of_row(row), seconds_of(row, column)) for row in rows if seconds_of(row, column)]
        found = exponents(points)
        if found:
            fitted[column] = found
    return [{"what": what, "variable": name, "expected": expected[i],
             "exponents": {column: found[i] for column, found in fitted.items()}} for i, name in enumerate(names)]


def fit(rows, columns):
    def named(what, *conditions):
        return [row for row in rows if row["what"] == what and all(holds(row) for holds in conditions)]

    def large(row):
        return row["agents"] * row["dimension"] >= LEAST_ENTRIES

    result = fit_rows(named("server step", large), columns, "server step", lambda r: (r["agents"], r["dimension"]),
                      ("N", "D"), (1, 1))
    ten = named("selection", lambda row: row["agents"] == 10)
    result += fit_rows(ten, columns, "selection, N = 10", lambda r: (r["dimension"],), ("D",), (1,))
    result += fit_rows(named("Gram matrix"), columns, "Gram matrix", lambda r: (r["agents"],), ("N",), ("1 to 2",))
    many = named("exact Shapley values", lambda row: row["agents"] >= 15)
    result += fit_rows(many, columns, "exact Shapley values, N >= 15", lambda r: (2.0**r["agents"],), ("2^N",), (1,))
    for model, batch in sorted({(row["model"], row["batch"]) for row in named("local training")}):
        same = named("local training", lambda row: (row["model"], row["batch"]) == (model, batch))
        result += fit_rows(same, columns, f"local training, {model}, batch {batch}", lambda r: (r["agents"],), ("N",),
                           (1,))
    return [entry for entry in result if entry["exponents"]]
