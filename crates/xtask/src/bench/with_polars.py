"""The transform with Polars. Arguments: folder of raw files, output file, threads. Prints one line of JSON."""

import json
import os
import resource
import sys
import time

os.environ["POLARS_MAX_THREADS"] = sys.argv[3]

import polars as pl  # noqa: E402  (reads the variable above)

COLUMNS = ["Gust", "Precip. Rate.", "Temperature", "Speed", "Dew Point", "Humidity", "Solar", "Pressure", "Precip. Accum.", "Wind", "Time"]
POINTS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()
DEGREES = {name: index * 22.5 for index, name in enumerate(POINTS)} | {"North": 0.0, "East": 90.0, "South": 180.0, "West": 270.0}
STATION = {"station_id": "IBENCH1", "name": "Bench", "latitude": 50.659, "longitude": 3.07, "elevation": 23}


def number(column, unit):
    return pl.col(column).str.strip_suffix("\u00a0" + unit).cast(pl.Float64, strict=False)


def celsius(column):
    return ((number(column, "°F") - 32) * 5 / 9).round(2)


began = time.perf_counter()
payload = pl.Struct({name: pl.String for name in COLUMNS} | {"UV": pl.Float64})
rows = pl.scan_ndjson(sys.argv[1] + "/*.jsonl", schema={"_airbyte_data": payload}).unnest("_airbyte_data")
second = pl.col("Time").str.to_time("%H:%M:%S").cast(pl.Int64) // 1_000_000_000
counter = (number("Precip. Accum.", "in") * 25.4).round(2)
rows = rows.with_columns(second=second, counter=counter)
rows = rows.with_columns(
    day=(pl.col("second").diff() < -7200).fill_null(False).cast(pl.Int64).cum_sum(),
    before=pl.col("counter").shift(1).forward_fill(),
)
local = pl.datetime(1990, 1, 1) + pl.duration(days="day", seconds="second")
instant = local.dt.replace_time_zone("Europe/Paris", ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
fallen = pl.when(pl.col("counter") >= pl.col("before")).then(pl.col("counter") - pl.col("before")).otherwise(pl.col("counter"))
measurements = pl.struct(
    temperature_c=celsius("Temperature"),
    humidity_pct=number("Humidity", "%"),
    pressure_hpa=(number("Pressure", "in") * 33.8638866667).round(2),
    wind_speed=(number("Speed", "mph") * 1.609344).round(2),
    wind_gust=(number("Gust", "mph") * 1.609344).round(2),
    precip_mm=pl.when(pl.col("before").is_not_null()).then(fallen.round(2)),
    dew_point_c=celsius("Dew Point"),
    wind_direction_deg=pl.col("Wind").replace_strict(DEGREES, default=None, return_dtype=pl.Float64),
    precip_accum_mm=pl.col("counter"),
    precip_rate_mm_h=(number("Precip. Rate.", "in") * 25.4).round(2),
    uv_index=pl.col("UV"),
    solar_w_m2=number("Solar", "w/m²"),
)
station = pl.struct(**{name: pl.lit(value) for name, value in STATION.items()})
documents = rows.select(
    source=pl.lit("weather_underground"), station=station, timestamp=instant.dt.strftime("%Y-%m-%dT%H:%M:%SZ"), measurements=measurements
)
made = documents.collect().unique(subset=["timestamp"], keep="last", maintain_order=True)
made.write_ndjson(sys.argv[2])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
print(json.dumps({"seconds": time.perf_counter() - began, "documents": made.height, "peak_mb": peak, "version": pl.__version__}))
