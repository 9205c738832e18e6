/** An endpoint that may hold a shared address, and does not, says that it has it now. */
export interface AddressClaim {
  /** of the tenant */
  namespace: string;
  address: string;
  /** the endpoint's, as the port guard checked it */
  mac: string;
  /** when it was heard, by this process's monotonic clock (milliseconds) */
  at: number;
}
