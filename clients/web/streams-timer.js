/**
 * A timer that goes on in a hidden, silent tab, where browsers wake a page's own timers once a minute at most. Hand it to
 * the client: new StreamClient({ …, worker: new Worker("streams-timer.js") })
 */
onmessage = ({ data: { turn, ms } }) => setTimeout(postMessage, ms, turn);
