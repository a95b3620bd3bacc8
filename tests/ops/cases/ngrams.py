import numpy as np

from tests.ops.case import Case

POOL = {"ngram_counts": [0, 4], "ngram_indexes": [0, 1, 2, 3, 4, 5, 6], "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7]}
ROWS = np.int32([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8]])
WEIGHTS = [0.5, 1.0, 2.0, 0.1, 3.0, 1.5, 0.7]


def vectorize(name, x=ROWS, shortest=1, longest=2, skips=0, mode="TF", pool=POOL, **rest):
    weights = {"weights": rest.pop("weights")} if "weights" in rest else {}
    attrs = {"min_gram_length": shortest, "max_gram_length": longest, "max_skip_count": skips, "mode": mode}
    return Case(f"tfidfvectorizer-{name}", "TfIdfVectorizer", {"X": x}, attrs | pool | weights, 9, **rest)


CASES = [
    vectorize("9"),
    vectorize("vector", np.int64([1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])),
    vectorize("skips", skips=5),
    vectorize("pairs", shortest=2, skips=1),
    vectorize("idf", mode="IDF", weights=WEIGHTS),
    vectorize("tf-idf", mode="TFIDF", weights=WEIGHTS, skips=1),
    vectorize("idf-unweighted", mode="IDF"),
    vectorize("dynamic-batch", declared={"X": ("n", 6)}),
    vectorize(
        "triples",
        longest=3,
        skips=1,
        pool={
            "ngram_counts": [0, 2, 6],
            "ngram_indexes": [3, 0, 1, 4, 2],
            "pool_int64s": [3, 7, 3, 3, 8, 6, 3, 3, 3],
        },
    ),
]
