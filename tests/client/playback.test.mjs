/** The web client: starts, heartbeats, pauses and stops. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { api, heldFetch, network, player, playing, scene, until } from "./players.mjs";

test("an admitted player gets its stream and holds one slot", async () => {
  const { client, events, next } = player();
  assert.equal(
    await client.start({ streamId: "456", deviceId: "tv", title: "News" }),
    true,
  );
  const [stream] = await next("admitted");
  assert.deepEqual(
    [stream.id, stream.title, stream.token],
    ["tv", "News", client.stream.token],
  );
  assert.equal((await api("GET", "/streams")).active, 1);
  assert.equal(events.length, 1);
  await client.stop();
  assert.equal((await api("GET", "/streams")).active, 0);
});

test("heartbeats follow the service's interval and send the latest token", async () => {
  const { client, timer, waits } = player();
  await client.start({ streamId: "456" });
  for (const beat of [1, 2, 3]) {
    const { token, heartbeatSeconds, expiresAt } = client.stream;
    assert.equal(await waits(beat), heartbeatSeconds);
    timer.fire();
    await waits(beat + 1);
    assert.ok(
      client.stream.token && client.stream.expiresAt > expiresAt,
      `${token} was renewed`,
    );
  }
  assert.deepEqual(
    network.seen.slice(1),
    Array(3).fill(`POST /users/${scene.user}/streams/${client.stream.id}/heartbeat`),
  );
  await client.stop();
});

test("a denied player gets the holders and may replace one", async () => {
  const others = ["tv", "phone", "laptop"].map(() => player());
  for (const [place, other] of others.entries()) {
    await other.client.start({ streamId: "456", deviceId: `d${place}` });
  }

  const { client, events, next } = player();
  assert.equal(await client.start({ streamId: "456", deviceId: "tablet" }), false);
  const [holders, denial] = await next("denied");
  assert.deepEqual(
    holders.map(({ id }) => id),
    ["d0", "d1", "d2"],
  );
  assert.deepEqual([denial.status, denial.limit], [409, 3]);
  assert.equal(
    await client.start({ streamId: "456", deviceId: "tablet", replace: ["d1"] }),
    true,
  );
  others[1].timer.fire();
  const [reason, ending] = await others[1].next("ended");
  assert.deepEqual([reason, ending.endedBy], ["replaced", "tablet"]);
  assert.equal(others[1].client.stream, null);
  assert.equal(events.at(-1)[0], "admitted");
});

test("a paused player reports the pause until it resumes", async () => {
  const { client, timer, waits } = player();
  await client.start({ streamId: "456" });
  const first = await waits(1);
  client.pause();
  await waits(2);
  assert.equal(client.stream.state, "paused");
  timer.fire();
  await waits(3);
  assert.ok(client.stream.pausedAt);
  client.resume();
  assert.ok((await waits(4)) > 0 && first > 0);
  assert.deepEqual([client.stream.state, client.stream.pausedAt], ["playing", null]);
  await client.stop();
});

test("the next episode keeps the slot, with or without a device id", async () => {
  for (const device of [{}, { deviceId: "tv" }]) {
    const { client } = player();
    await client.start({ streamId: "1", ...device });
    const { id, epoch } = client.stream;
    await client.start({ streamId: "2", ...device });
    assert.equal(client.stream.id, id);
    assert.ok(client.stream.epoch > epoch);
    assert.equal((await api("GET", "/streams")).active, 1);
    await client.stop();
  }
});

test("a start of the same device elsewhere fences the first player off", async () => {
  const first = player();
  const second = player();
  await first.client.start({ streamId: "456", deviceId: "tv" });
  await second.client.start({ streamId: "456", deviceId: "tv" });
  first.timer.fire();
  assert.equal((await first.next("ended"))[0], "taken-over");
  assert.equal((await api("GET", "/streams")).active, 1);
  await second.client.stop();
});

test("a grace lease is reported at its begin and its end", async () => {
  const { client, timer, events, next, waits } = player();
  await client.start({ streamId: "456" });
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ ...client.stream, isGrace: true });
  network.mode = { status: 200, headers, body };
  timer.fire();
  assert.deepEqual(await next("grace"), [true]);
  network.mode = "up";
  timer.fire();
  await waits(3);
  assert.deepEqual(events.slice(1), [
    ["grace", true],
    ["grace", false],
  ]);
  await client.stop();
});

test("a malformed start is refused with the faulty field", async () => {
  const { client, next } = player();
  assert.equal(await client.start({ streamId: "" }), false);
  const [{ errors }] = await next("failed");
  assert.ok(errors.streamId);
  assert.equal(network.seen.length, 1);
});

test("a start in another slot and a refused start free the previous slot", async () => {
  const { client, next } = player();
  await client.start({ streamId: "1", deviceId: "tv" });
  await client.start({ streamId: "2", deviceId: "phone" });
  await until(async () => String(await playing()) === "2");
  await client.start({ streamId: "" });
  await next("failed");
  await until(async () => (await playing()).length === 0);
});

test("a stop with an old token does not end the next playback", async () => {
  const { client } = player();
  await client.start({ streamId: "1", deviceId: "tv" });
  const other = player();
  await other.client.start({ streamId: "2", deviceId: "tv" });
  await client.stop();
  assert.deepEqual(await playing(), ["2"]);
  assert.deepEqual(
    network.seen.filter((line) => line.startsWith("DELETE")),
    [],
  );
});

test("a listener that throws does not end the playback", async () => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  const on = {
    admitted: () => {
      throw new Error("at once");
    },
    offline: async () => {
      throw new Error("later");
    },
    ended: () => {
      throw new Error("at the end");
    },
  };
  const { client, timer, waits } = player({ on });
  assert.equal(await client.start({ streamId: "456" }), true);
  await waits(1);
  network.mode = "cut";
  timer.fire();
  await waits(2);
  network.mode = "up";
  timer.fire();
  await waits(3);
  await client.stop();
  delete globalThis.reportError;
  assert.deepEqual(reported, ["at once", "later", "at the end"]);
  assert.deepEqual(await playing(), []);
});

test("a listener may stop the player in any event", async () => {
  for (const event of ["admitted", "offline", "online"]) {
    const stopping = player({ on: { [event]: () => stopping.client.stop() } });
    await stopping.client.start({ streamId: "456", deviceId: "tv" });
    if (event !== "admitted") {
      network.mode = "cut";
      stopping.timer.fire();
      await stopping.waits(2);
      network.mode = "up";
    }
    if (event === "online") stopping.timer.fire();
    await until(async () => (await playing()).length === 0);
    assert.equal(stopping.client.stream, null);
  }
});

test("the path encodes the user's id", async () => {
  scene.user = "jo+tv@example.com|a:b~c";
  const { fetch, calls, call } = heldFetch();
  const { client } = player({ fetch, userId: "CN=Jo,OU=x +/é" });
  client.start({ streamId: "456" });
  await call(1);
  assert.ok(
    calls[0].url.endsWith("/users/CN%3DJo%2COU%3Dx%20%2B%2F%C3%A9/streams"),
    calls[0].url,
  );
  const me = player({ fetch, userId: undefined });
  me.client.start({ streamId: "456" });
  assert.ok((await call(2)).url.endsWith("/me/streams"));
});

test("the next heartbeat reports an operator's end", async () => {
  const { client, timer, next } = player();
  await client.start({ streamId: "456", deviceId: "tv" });
  await api("DELETE", "/streams/tv");
  timer.fire();
  assert.equal((await next("ended"))[0], "stopped");
});
