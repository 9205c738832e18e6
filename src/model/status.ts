/** Something an operator should know about, shown by `weft status` until it is over. */
export interface Condition {
  type: string;
  /** the object it is about: a network, an endpoint, a kernel name */
  object: string;
  message: string;
  since: string;
}
