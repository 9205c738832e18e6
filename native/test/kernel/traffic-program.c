/*
 * Loads an eBPF program for traffic control that drops every packet, and becomes the command of its arguments, with the
 * program's descriptor in PROGRAM_FD. Exit code 77: this kernel, or its settings, know no such programs.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct bpf_insn instructions[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_SHOT},
      {.code = BPF_JMP | BPF_EXIT},
  };
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
  attr.insns = (uintptr_t)instructions;
  attr.insn_cnt = sizeof instructions / sizeof instructions[0];
  attr.license = (uintptr_t) "GPL";
  long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  // Without close-on-exec, which the kernel sets.
  int kept = fd < 0 ? -1 : dup((int)fd);
  if (kept < 0 || argc < 2) {
    perror("bpf");
    return 77;
  }
  char text[16];
  snprintf(text, sizeof text, "%d", kept);
  setenv("PROGRAM_FD", text, 1);
  execvp(argv[1], argv + 1);
  perror(argv[1]);
  return 1;
}
