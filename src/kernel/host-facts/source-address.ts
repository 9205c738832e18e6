/** The address by which the kernel would send to another: a connected UDP socket has chosen, and sends nothing. */
import { createSocket } from 'node:dgram';

/** any port will do */
const PORT = 9;

/** undefined: there is no way there. */
export async function sourceTo(address: string): Promise<string | undefined> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    return await new Promise((resolve) => {
      socket.once('error', () => resolve(undefined));
      socket.connect(PORT, address, () => resolve(socket.address().address));
    });
  } finally {
    socket.close();
  }
}
