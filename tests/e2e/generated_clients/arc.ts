/** Starts to the limit, and plays on, by the generated client. Arguments: URL, user. */

import assert from "node:assert/strict";

import {
  Configuration,
  ResponseError,
  StreamLimitReachedFromJSON,
  StreamsApi,
} from "./client/index.js";

const LIMIT = 3;
const [url, userId] = process.argv.slice(2);
const streams = new StreamsApi(new Configuration({ basePath: url }));

const start = (deviceId: string) =>
  streams.startStream({ userId, start: { streamId: "film", deviceId } });

const first = await start("device-1");
for (let number = 2; number <= LIMIT; number++) await start(`device-${number}`);

const denial = await start("one-too-many").then(
  () => assert.fail("the start over the limit was admitted"),
  async (error: ResponseError) => {
    assert.equal(error.response.status, 409);
    return StreamLimitReachedFromJSON(await error.response.json());
  },
);
assert.equal(denial.limit, LIMIT);
assert.equal(denial.streams.length, LIMIT);

const { id } = first;
const renewed = await streams.renewStream({
  userId,
  id,
  heartbeat: { token: first.token },
});
assert.equal(renewed.epoch, first.epoch);

await streams.stopStream({ userId, id, token: { token: renewed.token } });

const check = { streamId: "film", deviceId: "device-4" };
const dryRun = await streams.checkStart({ userId, start: check });
assert.deepEqual(dryRun.ended, []);

const last = await start("device-4");
assert.equal(last.streamId, "film");
