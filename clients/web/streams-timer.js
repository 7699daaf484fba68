/**
 * A timer that runs normally in a hidden, silent tab. There, browsers run a page's own
 * timers once a minute at most. Give it to the client:
 *
 *   new StreamClient({ …, worker: new Worker("streams-timer.js") })
 */
onmessage = ({ data: { turn, ms } }) => setTimeout(postMessage, ms, turn);
