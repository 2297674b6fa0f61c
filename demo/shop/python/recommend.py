"""What a customer may like: a model with room for two inferences at once, 25 ms each (a sleep stands for the model)."""
import zlib

from kit import Slots, serve

model = Slots(count=2, seconds=0.025, waiting_max=200, wait_seconds_max=1.0, what="model")


def recommend(_body, query, _headers):
    model.use()
    seed = zlib.crc32(query.get("user", "").encode())
    return 200, {"products": [(seed + step * 37) % 200 for step in range(4)]}


serve({"GET /recommendations": recommend})
