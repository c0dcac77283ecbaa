"""The transform as a script without libraries does it: a line, a dictionary, floats, everything in memory.

Arguments: folder of raw files, output file, threads (of which it uses one). Prints one line of JSON.
"""

import datetime
import json
import pathlib
import resource
import sys
import time
import zoneinfo

POINTS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()
DEGREES = {name: index * 22.5 for index, name in enumerate(POINTS)} | {"North": 0.0, "East": 90.0, "South": 180.0, "West": 270.0}
STATION = {"station_id": "IBENCH1", "name": "Bench", "latitude": 50.659, "longitude": 3.07, "elevation": 23}


def number(text):
    return float(text.split("\u00a0")[0]) if text else None


def times(value, factor):
    return None if value is None else round(value * factor, 2)


def celsius(value):
    return None if value is None else round((value - 32) * 5 / 9, 2)


def documents(folder):
    paris = zoneinfo.ZoneInfo("Europe/Paris")
    day, last, fallen = datetime.datetime(1990, 1, 1), None, None
    for path in sorted(pathlib.Path(folder).glob("*.jsonl")):
        for line in path.open(encoding="utf-8"):
            row = json.loads(line)["_airbyte_data"]
            hour, minute, second = map(int, row["Time"].split(":"))
            now = hour * 3600 + minute * 60 + second
            if last is not None and now < last - 7200:
                day += datetime.timedelta(days=1)
            last = now
            local = (day + datetime.timedelta(seconds=now)).replace(tzinfo=paris)
            counter = times(number(row["Precip. Accum."]), 25.4)
            rain = None if counter is None or fallen is None else round(counter - fallen if counter >= fallen else counter, 2)
            fallen = counter if counter is not None else fallen
            yield {
                "source": "weather_underground",
                "station": STATION,
                "timestamp": local.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "measurements": {
                    "temperature_c": celsius(number(row["Temperature"])),
                    "humidity_pct": number(row["Humidity"]),
                    "pressure_hpa": times(number(row["Pressure"]), 33.8638866667),
                    "wind_speed": times(number(row["Speed"]), 1.609344),
                    "wind_gust": times(number(row["Gust"]), 1.609344),
                    "precip_mm": rain,
                    "dew_point_c": celsius(number(row["Dew Point"])),
                    "wind_direction_deg": DEGREES.get(row["Wind"]),
                    "precip_accum_mm": counter,
                    "precip_rate_mm_h": times(number(row["Precip. Rate."]), 25.4),
                    "uv_index": row["UV"],
                    "solar_w_m2": number(row["Solar"]),
                },
            }


began = time.perf_counter()
kept = {(document["station"]["station_id"], document["timestamp"]): document for document in documents(sys.argv[1])}
with open(sys.argv[2], "w", encoding="utf-8") as out:
    json.dump(list(kept.values()), out)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
print(json.dumps({"seconds": time.perf_counter() - began, "documents": len(kept), "peak_mb": peak, "version": sys.version.split()[0]}))
