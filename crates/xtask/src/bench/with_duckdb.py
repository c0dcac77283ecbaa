"""The transform with DuckDB. Arguments: folder of raw files, output file, threads. Prints one line of JSON."""

import json
import resource
import sys
import time

import duckdb

COLUMNS = ["Gust", "Precip. Rate.", "Temperature", "Speed", "Dew Point", "Humidity", "Solar", "Pressure", "Precip. Accum.", "Wind", "Time"]
POINTS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()
DEGREES = {name: index * 22.5 for index, name in enumerate(POINTS)} | {"North": 0.0, "East": 90.0, "South": 180.0, "West": 270.0}


def number(column):
    return f"TRY_CAST(split_part(d.\"{column}\", chr(160), 1) AS DOUBLE)"


payload = "STRUCT(" + ", ".join(f'"{name}" VARCHAR' for name in COLUMNS) + ', "UV" DOUBLE)'
degrees = "MAP {" + ", ".join(f"'{name}': {value}" for name, value in DEGREES.items()) + "}"
query = f"""
COPY (
    WITH raw AS (
        SELECT _airbyte_data AS d, row_number() OVER () AS n
        FROM read_json('{sys.argv[1]}/*.jsonl', format = 'newline_delimited', columns = {{_airbyte_data: '{payload}'}})
    ), timed AS (
        SELECT *, epoch(CAST(d."Time" AS TIME))::BIGINT AS s, round({number('Precip. Accum.')} * 25.4, 2) AS counter FROM raw
    ), lagged AS (
        SELECT *, CASE WHEN s - lag(s) OVER (ORDER BY n) < -7200 THEN 1 ELSE 0 END AS turned,
               lag(counter IGNORE NULLS) OVER (ORDER BY n) AS before
        FROM timed
    ), dated AS (
        SELECT *, TIMESTAMP '1990-01-01' + to_days(CAST(sum(turned) OVER (ORDER BY n) AS INTEGER)) + to_seconds(s) AS local FROM lagged
    ), placed AS (
        SELECT *, timezone('UTC', timezone('Europe/Paris', local)) AS instant FROM dated
    )
    SELECT 'weather_underground' AS source,
           {{station_id: 'IBENCH1', name: 'Bench', latitude: 50.659, longitude: 3.07, elevation: 23}} AS station,
           strftime(instant, '%Y-%m-%dT%H:%M:%SZ') AS timestamp,
           {{temperature_c: round(({number('Temperature')} - 32) * 5 / 9, 2),
             humidity_pct: {number('Humidity')},
             pressure_hpa: round({number('Pressure')} * 33.8638866667, 2),
             wind_speed: round({number('Speed')} * 1.609344, 2),
             wind_gust: round({number('Gust')} * 1.609344, 2),
             precip_mm: CASE WHEN before IS NULL THEN NULL WHEN counter >= before THEN round(counter - before, 2) ELSE counter END,
             dew_point_c: round(({number('Dew Point')} - 32) * 5 / 9, 2),
             wind_direction_deg: {degrees}[d."Wind"],
             precip_accum_mm: counter,
             precip_rate_mm_h: round({number('Precip. Rate.')} * 25.4, 2),
             uv_index: d."UV",
             solar_w_m2: {number('Solar')}}} AS measurements
    FROM placed
    QUALIFY row_number() OVER (PARTITION BY instant ORDER BY n DESC) = 1
    ORDER BY n
) TO '{sys.argv[2]}' (FORMAT JSON)
"""
database = duckdb.connect()
database.execute(f"SET threads = {sys.argv[3]}")
began = time.perf_counter()
made = database.execute(query).fetchone()[0]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
print(json.dumps({"seconds": time.perf_counter() - began, "documents": made, "peak_mb": peak, "version": duckdb.__version__}))
