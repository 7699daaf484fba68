/** The web client when calls and answers arrive in another order than they left. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  api,
  heldFetch,
  namesOf,
  network,
  player,
  playing,
  problem,
  until,
} from "./players.mjs";

for (const order of ["start, stop", "stop, start"]) {
  test(`a stop during a start frees the slot: ${order}`, async () => {
    const { fetch, call } = heldFetch();
    const { client, events } = player({ fetch });
    const started = client.start({ streamId: "456" });
    const start = await call(1);
    if (order === "start, stop") await start.reach();
    await client.stop();
    if (order === "stop, start") await start.reach();
    assert.equal(await started, false);
    start.answer();
    const stop = await call(2);
    assert.match(stop.url, /\/stop$/);
    await stop.reach();
    assert.deepEqual(await playing(), []);
    assert.deepEqual(events, []);
    stop.answer();
  });
}

const ORDERS = [
  [0, 1],
  [1, 0],
];
for (const arrivals of ORDERS) {
  for (const answers of ORDERS) {
    const order = `they arrive ${arrivals} and are answered ${answers}`;
    test(`of two starts the last one plays: ${order}`, async () => {
      const { fetch, calls, call } = heldFetch();
      const { client, events } = player({ fetch });
      const starts = [
        client.start({ streamId: "first" }),
        client.start({ streamId: "last" }),
      ];
      await call(2);
      for (const index of arrivals) await calls[index].reach();
      for (const index of answers) {
        calls[index].answer();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }

      // If the first start arrives last, it takes the slot, and the last takes it back.
      const isOvertaken = arrivals[0] === 1;
      if (isOvertaken) {
        const again = await call(3);
        await again.reach();
        again.answer();
      }

      assert.deepEqual(await Promise.all(starts), [false, true]);
      await until(() => isCurrent(client));
      assert.deepEqual(await playing(), ["last"]);
      assert.equal(calls.length, isOvertaken ? 3 : 2, "no stream was stopped");
      assert.deepEqual(namesOf(events), ["admitted"]);
    });
  }
}

/** Whether the client knows the newest epoch of its slot. */
async function isCurrent(client) {
  const { streams } = await api("GET", "/streams");
  return client.stream.epoch === streams[0].epoch;
}

test("a start that was given up and arrives late loses the slot again", async () => {
  const { fetch, calls, call } = heldFetch();
  const { client, events, timer } = player({ fetch });
  client.start({ streamId: "first" });
  (await call(1)).lose();
  const started = client.start({ streamId: "last", replace: ["phone"] });
  await (await call(2)).reach();
  calls[1].answer();
  assert.equal(await started, true);
  await calls[0].reach();
  timer.fire();
  for (const count of [3, 4]) {
    await (await call(count)).reach();
    calls[count - 1].answer();
  }
  assert.equal(
    JSON.parse(calls[3].init.body).replace,
    undefined,
    "the replacement is done",
  );
  await until(() => isCurrent(client));
  assert.deepEqual(await playing(), ["last"]);
  assert.deepEqual(namesOf(events), ["admitted"]);
});

test("a player whose token the service cannot read starts again in its slot", async () => {
  const { client, events, timer } = player();
  await client.start({ streamId: "456", deviceId: "tv" });
  const { epoch } = client.stream;

  network.mode = {
    ...problem("invalid-request", 400),
    body: JSON.stringify({ type: "invalid-request", status: 400, errors: { token: [] } }),
  };
  network.onAnswer = () => (network.mode = "up");
  timer.fire();
  await until(() => client.stream.epoch > epoch);

  assert.deepEqual(await playing(), ["456"]);
  assert.deepEqual(namesOf(events), ["admitted"]);
});
