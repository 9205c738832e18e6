/**
 * The service manager's side of the daemon's life: sd_notify(3), the watchdog, sockets that were opened for us. Without
 * systemd all of it does nothing.
 */
import { notifyService } from 'netlink-ts';
import type { Logger } from 'pino';

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_DESCRIPTOR = 3;

export class ServiceManager {
  readonly #socket: string | undefined;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #log: Logger;
  readonly #pid: number;

  constructor(options: { environment: NodeJS.ProcessEnv; log: Logger; pid?: number }) {
    this.#environment = options.environment;
    this.#socket = options.environment.NOTIFY_SOCKET;
    this.#log = options.log;
    this.#pid = options.pid ?? process.pid;
  }

  ready(): void {
    this.#send({ READY: '1', STATUS: 'serving' });
  }

  stopping(): void {
    this.#send({ STOPPING: '1', STATUS: 'stopping; traffic goes on' });
  }

  status(text: string): void {
    this.#send({ STATUS: text });
  }

  /**
   * Tells the manager twice in each of its intervals that the event loop turns; a loop that stalls longer ends in a
   * restart, which running containers do not notice. Ends with the signal.
   */
  keepWatch(signal: AbortSignal): void {
    const interval = this.#watchdogInterval();
    if (interval === undefined) return;
    const timer = setInterval(() => this.#send({ WATCHDOG: '1' }), interval / 2);
    timer.unref();
    signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  /** The descriptor that was opened for us under this name, which the manager's FDNAMES carries; undefined for none. */
  passedSocket(name: string): number | undefined {
    const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = this.#environment;
    const count = Number(LISTEN_FDS);
    if (LISTEN_PID !== String(this.#pid) || !Number.isInteger(count) || count < 1) return undefined;
    const names = LISTEN_FDNAMES?.split(':') ?? [];
    const at = names.indexOf(name);
    // A manager that names nothing passes the one socket there is.
    if (at < 0)
      return names.every((one) => one === '' || one === 'unknown') && count === 1 ? FIRST_DESCRIPTOR : undefined;
    return at < count ? FIRST_DESCRIPTOR + at : undefined;
  }

  /** Milliseconds; only when the watchdog is meant for this process. */
  #watchdogInterval(): number | undefined {
    const { WATCHDOG_USEC, WATCHDOG_PID } = this.#environment;
    const interval = Number(WATCHDOG_USEC) / 1_000;
    if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(this.#pid)) return undefined;
    return Number.isFinite(interval) && interval > 0 ? interval : undefined;
  }

  #send(fields: Record<string, string>): void {
    if (this.#socket === undefined) return;
    try {
      notifyService(this.#socket, fields);
    } catch (error) {
      this.#log.warn({ err: error }, 'the service manager could not be told');
    }
  }
}
