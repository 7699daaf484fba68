/**
 * Returns a worker for the option `worker`, with which heartbeats continue in a hidden,
 * silent tab. There, browsers run a page's own timers once a minute at most.
 *
 * The worker's source is part of this file, because browsers refuse workers from
 * another origin. A Content-Security-Policy must contain `worker-src blob:`. Without
 * workers the result is undefined, and the client uses the page's own timers.
 *
 * @returns {Worker | undefined}
 */
export function timerWorker(): Worker | undefined;
/**
 * Returns an id of this tab, for the option `deviceId` of a start. A reload keeps it.
 *
 * `sessionStorage` alone does not suffice: `window.open` and "Duplicate tab" copy it.
 * So the stored id is marked while its page is open. A page that finds the mark is a
 * copy and takes a new id.
 *
 * @returns {string}
 */
export function tabId(): string;
export class StreamClient {
    /** @param {Options} options */
    constructor({ url, userId, on, headers, fetch, worker, }: Options);
    /**
     * The service's latest answer about the stream, null when it is over.
     *
     * @returns {OwnStream | null}
     */
    get stream(): OwnStream | null;
    /**
     * Resolves to true when the stream is admitted. False means that it was denied, that
     * it failed, or that the player was stopped or started again.
     *
     * @param {StartRequest} request
     * @returns {Promise<boolean>}
     */
    start(request: StartRequest): Promise<boolean>;
    /** Reports a pause. The plan says how long the slot is kept until it is `expired`. */
    pause(): void;
    /** Reports that playback continues. */
    resume(): void;
    /**
     * Frees the slot, also when the page is left. The slot of a start that is in progress
     * is freed as soon as the start is answered.
     *
     * @returns {Promise<void>}
     */
    stop(): Promise<void>;
    /**
     * Stops, and removes the client's listeners from the page and the worker. A later
     * start adds them again.
     *
     * @returns {Promise<void>}
     */
    close(): Promise<void>;
    #private;
}
/**
 * A stream. Instants are RFC 3339. Each also has a relative value, in seconds.
 */
export type Stream = {
    id: string;
    userId: string;
    streamId: string;
    deviceId: string | null;
    deviceName: string | null;
    deviceType: string | null;
    title: string | null;
    metadata: Record<string, string | number | boolean>;
    startedAt: string;
    expiresAt: string;
    leaseSeconds: number;
    heartbeatSeconds: number;
    state: "playing" | "paused";
    pausedAt: string | null;
    /**
     * Increases each time the slot changes hands.
     */
    epoch: number;
};
/**
 * A stream of this player.
 */
export type OwnStream = Stream & OwnFields;
/**
 * A stream of this player.
 */
export type OwnFields = {
    /**
     * The opaque credential for its heartbeats and its stop.
     */
    token: string;
    /**
     * Whether it plays although the service's store is down.
     * Afterwards the service may end it, with the reason `over-limit`.
     */
    isGrace: boolean;
    /**
     * The token for the CDN and the licence server, if the
     * service issues edge tokens. Always use the newest: `client.stream.edgeToken`.
     */
    edgeToken?: string;
};
export type StartRequest = {
    /**
     * The content that is watched.
     */
    streamId: string;
    /**
     * A device that starts again keeps its slot.
     */
    deviceId?: string;
    deviceName?: string;
    deviceType?: string;
    title?: string;
    /**
     * Attributes of your
     * own, which the rules of a plan can examine.
     */
    metadata?: Record<string, string | number | boolean>;
    /**
     * Streams to end in the
     * same write: any playback with an id, or exactly the playback that the viewer saw.
     */
    replace?: (string | Pick<Stream, "id" | "epoch">)[];
};
export type Reason = "stopped" | "evicted" | "replaced" | "taken-over" | "expired" | "suspended" | "over-limit";
export type EndReason = Reason | (string & {});
/**
 * A problem of the service (RFC 9457), or `type: "network-error"` when the service did
 * not answer or a proxy answered in its place.
 */
export type Problem = {
    type: string;
    title?: string;
    status?: number;
    detail?: string | null;
    /**
     * Seconds, from `Retry-After`.
     */
    retryAfter?: number;
    /**
     * The faulty fields of a start.
     */
    errors?: Record<string, unknown>;
    limit?: number;
    plan?: string;
    /**
     * The plan's rule that
     * refused, unless it was the limit. `message` is for the viewer.
     */
    rule?: {
        name: string;
        message: string | null;
    };
    /**
     * The streams that hold the slots.
     */
    streams?: Stream[];
    reason?: Reason;
    endedAt?: string;
    /**
     * The id of the stream that took the place.
     */
    endedBy?: string | null;
    /**
     * Its device's name.
     */
    endedByName?: string | null;
    /**
     * Its title.
     */
    endedByTitle?: string | null;
};
/**
 * The client's listeners. Their errors are reported and have no effect on the client.
 * `ended` gets a `Reason` or the problem's type; the problem is null if this player
 * stopped the stream.
 */
export type Listeners = {
    admitted?: (stream: OwnStream) => unknown;
    denied?: (holders: Stream[], problem: Problem) => unknown;
    ended?: (reason: EndReason, problem: Problem | null) => unknown;
    offline?: (problem: Problem) => unknown;
    waiting?: (problem: Problem, seconds: number) => unknown;
    online?: () => unknown;
    grace?: (isGrace: boolean) => unknown;
    failed?: (problem: Problem) => unknown;
};
export type Options = {
    /**
     * The service's address, with a stage if it has one:
     * `https://streams.example.com`.
     */
    url: string;
    /**
     * By default, the user of the bearer token (`/me`).
     */
    userId?: string;
    on?: Listeners;
    /**
     * Called for each
     * request, so that it can renew a credential.
     */
    headers?: () => HeadersInit | Promise<HeadersInit>;
    fetch?: typeof globalThis.fetch;
    /**
     * See
     * `timerWorker`. Clients can share one.
     */
    worker?: Pick<Worker, "postMessage" | "addEventListener">;
};
