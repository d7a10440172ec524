"""The stored champion called by the `xgboost` package, one row at a time, in the process."""

import glob
import os
import sys
import time

import numpy
import xgboost

CALLS = 2_000

[path] = glob.glob(os.path.join(sys.argv[2], ".baton/warehouse/artifacts/*/model.ubj"))[:1]
booster = xgboost.Booster(model_file=path)
booster.set_param({"nthread": 1})
row = numpy.ones((1, booster.num_features()), dtype="f4")
for _ in range(100):
    booster.inplace_predict(row)
start = time.perf_counter()
for _ in range(CALLS):
    booster.inplace_predict(row)
print((time.perf_counter() - start) / CALLS)
