/** An app that uses all of the client's types. It is compiled and not run. */

import {
  StreamClient,
  tabId,
  timerWorker,
  type Problem,
  type Reason,
  type Stream,
} from "../../clients/web/streams-client.js";

const client = new StreamClient({
  url: "https://streams.example.com",
  userId: "123",
  headers: async () => ({ Authorization: "Bearer x" }),
  worker: new Worker("streams-timer.js"),
  on: {
    admitted: ({ token, title }) => console.log(token, title?.length),
    denied: (holders: Stream[], problem: Problem) =>
      console.log(holders[0]?.deviceName, problem.rule?.message),
    ended: (reason, problem) =>
      console.log(reason === ("replaced" satisfies Reason), problem?.endedByName),
    offline: ({ type }) => console.log(type),
    waiting: ({ retryAfter }, seconds) => console.log(retryAfter, seconds.toFixed(1)),
    online: () => {},
    grace: (isGrace) => console.log(isGrace),
    failed: ({ errors }) => console.log(errors),
  },
});
const mayPlay: boolean = await client.start({
  streamId: "456",
  deviceId: "tv",
  replace: ["phone"],
});
await new StreamClient({ url: "https://streams.example.com" }).start({
  streamId: "456",
  replace: client.stream ? [client.stream, { id: "phone", epoch: 7 }] : [],
});
console.log(mayPlay, client.stream?.token);
client.pause();
client.resume();
await client.stop();
await client.close();

const other = new StreamClient({
  url: "https://streams.example.com",
  headers: () => new Headers({ Authorization: "Bearer x" }),
  worker: timerWorker(),
});
await other.start({ streamId: "456", deviceId: tabId() });
// @ts-expect-error: a start needs a streamId
client.start({});
