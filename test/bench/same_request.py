# For comparison in `npm run bench`: the request of read_charge with Python's requests.
import os

import requests
from requests.adapters import HTTPAdapter


class ToSimulator(HTTPAdapter):
    def init_poolmanager(self, *arguments, **options):
        host = os.environ["BENCH_HOST"]
        super().init_poolmanager(*arguments, server_hostname=host, assert_hostname=host, **options)


session = requests.Session()
session.mount("https://", ToSimulator())
answer = session.get(
    f"https://{os.environ['TESLA_SIMULATOR']}{os.environ['BENCH_PATH']}",
    headers={
        "Host": os.environ["BENCH_HOST"],
        "Authorization": f"Bearer {os.environ['BENCH_BEARER']}",
        "Content-Type": "application/json",
    },
    verify=os.environ["TESLA_SIMULATOR_CA"],
    timeout=30,
)
answer.raise_for_status()
print(answer.json()["response"]["charge_state"]["battery_level"])
