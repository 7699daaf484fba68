/** The web client when the page is left, shown again, or wakes up. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { heldFetch, network, playerInPage, playing, until } from "./players.mjs";

test("a page that is left frees the slot by a beacon", async () => {
  const { client, next, page, beacons } = playerInPage();
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  assert.equal((await next("ended"))[0], "stopped");
  assert.equal((await beacons[0]).status, 204);
  assert.deepEqual(await playing(), []);
});

test("a page that is left during a start frees its slot", async () => {
  const { fetch, call } = heldFetch();
  const { client, page, beacons } = playerInPage({ fetch });
  const started = client.start({ streamId: "456" });
  const start = await call(1);
  page.dispatchEvent(new Event("pagehide"));
  assert.equal(await started, false);
  await start.reach();
  start.answer();
  await until(() => beacons.length > 0);
  assert.equal((await beacons[0]).status, 204);
  assert.deepEqual(await playing(), []);
});

test("without beacons, a call that outlives the page frees the slot", async () => {
  const { client, page } = playerInPage();
  navigator.sendBeacon = () => false;
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  await until(async () => (await playing()).length === 0);
});

test("a page that is shown again starts and stops by calls", async () => {
  const { client, page, beacons } = playerInPage();
  await client.start({ streamId: "456" });
  page.dispatchEvent(new Event("pagehide"));
  page.dispatchEvent(new Event("pageshow"));
  assert.equal(await client.start({ streamId: "456" }), true);
  await client.stop();
  assert.deepEqual(await playing(), []);
  assert.equal(beacons.length, 1);
});

test("a tab that wakes up sends only overdue heartbeats", async () => {
  for (const clock of [Date, performance]) {
    const { client, waits, page } = playerInPage();
    await client.start({ streamId: "456" });
    const sent = network.seen.length;
    page.dispatchEvent(new Event("focus"));
    assert.equal(network.seen.length, sent, "not due yet");
    const now = clock.now;
    clock.now = () => now.call(clock) + 3_600_000; // it slept, or its date changed
    page.dispatchEvent(new Event("visibilitychange"));
    clock.now = now;
    await waits(2);
    assert.match(network.seen.at(-1), /heartbeat$/);
    clock.now = () => now.call(clock) - 3_600_000;
    page.dispatchEvent(new Event("focus"));
    clock.now = now;
    assert.equal(
      network.seen.length,
      sent + 1,
      "a clock that was set back is no reason",
    );
    await client.stop();
  }
});
