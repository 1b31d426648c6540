/** What uname calls a machine, and its e_machine. */
export const MACHINES: readonly { readonly elf: number; readonly uname: string; readonly name: RegExp }[] = [
  { elf: 62, uname: 'x86_64', name: /^x86_64$/ },
  { elf: 183, uname: 'aarch64', name: /^aarch64/ },
  { elf: 3, uname: 'i686', name: /^i\d86$/ },
  { elf: 40, uname: 'armv7l', name: /^arm/ },
  { elf: 243, uname: 'riscv64', name: /^riscv/ },
  { elf: 21, uname: 'ppc64le', name: /^ppc64/ },
  { elf: 20, uname: 'ppc', name: /^ppc$/ },
  { elf: 22, uname: 's390x', name: /^s390/ },
  { elf: 8, uname: 'mips64', name: /^mips/ },
  { elf: 258, uname: 'loongarch64', name: /^loongarch/ },
]
