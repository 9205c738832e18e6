/**
 * Puts the loaded program of PROGRAM_FD at the ingress of a link (traffic-program.test.ts runs it). Arguments: the library,
 * a namespace's file, the link's index.
 */
const [library, netns, index] = process.argv.slice(2);
const { RouteSocket } = await import(library);

const rt = RouteSocket.open({ netns });
await rt.filters.add({
  index: Number(index),
  parent: 'ingress',
  priority: 1,
  handle: 1,
  kind: 'bpf',
  bpf: { fd: Number(process.env.PROGRAM_FD), name: 'drop.o:[all]', directAction: true },
});
rt.close();
