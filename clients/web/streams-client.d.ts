/** A stream as the service tells it. Instants are RFC 3339; everything absolute also comes relative, in seconds. */
export interface Stream {
  id: string;
  userId: string;
  streamId: string;
  deviceId: string | null;
  deviceName: string | null;
  deviceType: string | null;
  title: string | null;
  startedAt: string;
  expiresAt: string;
  leaseSeconds: number;
  heartbeatSeconds: number;
  epoch: number;
}

/** A stream as its own player is told it: with the lease token, which a CDN or licence server can check. */
export interface OwnStream extends Stream {
  token: string;
}

export interface StartRequest {
  /** What is watched. */
  streamId: string;
  /** The same device starting again keeps its slot. */
  deviceId?: string;
  deviceName?: string;
  deviceType?: string;
  title?: string;
  /** Ids of streams to end for this one, in the same write. */
  replace?: string[];
}

export type Reason = "stopped" | "evicted" | "replaced" | "taken-over" | "expired";

/** RFC 9457, or `type: "network-error"` where there was no answer. */
export interface Problem {
  type: string;
  title?: string;
  status?: number;
  detail?: string;
  errors?: Record<string, unknown>;
  limit?: number;
  streams?: Stream[];
  reason?: Reason;
  endedAt?: string;
  endedBy?: string | null;
}

export interface Listeners {
  admitted?(stream: OwnStream): void;
  denied?(holders: Stream[], problem: Problem): void;
  /** `reason` is a `Reason`, or the problem's type. `problem` is null when this player stopped it. */
  ended?(reason: Reason | string, problem: Problem | null): void;
  offline?(problem: Problem): void;
  online?(): void;
  failed?(problem: Problem): void;
}

export interface Options {
  /** Of the service, with the stage where there is one: `https://streams.example.com`. */
  url: string;
  userId: string;
  on?: Listeners;
  /** Asked for each request, so that a credential may be renewed. */
  headers?: () => Record<string, string> | Promise<Record<string, string>>;
  fetch?: typeof fetch;
  /** Made of streams-timer.js: heartbeats go on in a hidden, silent tab. Clients may share one. */
  worker?: Pick<Worker, "postMessage" | "addEventListener">;
}

export class StreamClient {
  constructor(options: Options);
  readonly stream: OwnStream | null;
  start(request: StartRequest): Promise<boolean>;
  stop(): Promise<void>;
}
