// Memory of exactly the size asked for, aligned to 64 bytes where the size is a multiple of it: reading or writing beyond its end
// is noticed, by AddressSanitizer or by a page that nobody may touch. What it holds at first is nobody's business.
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_PIECES = 32 };

static struct {
  void *start;
  size_t bytes;
} pieces[MOST_PIECES];

static int piece_count;

static void *memory(size_t bytes) {
  if (piece_count == MOST_PIECES) abort();
#ifdef __SANITIZE_ADDRESS__
  void *p = 0;
  if (posix_memalign(&p, bytes % 64 ? sizeof(void *) : 64, bytes)) abort();
  pieces[piece_count].start = p;
  pieces[piece_count++].bytes = bytes;
  return p;
#else
  const size_t page = sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
  char *start = mmap(0, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED || mprotect(start + room, page, PROT_NONE)) abort();
  pieces[piece_count].start = start;
  pieces[piece_count++].bytes = room + page;
  return start + room - bytes;
#endif
}

static void give_back_all(void) {
  while (piece_count) {
    piece_count--;
#ifdef __SANITIZE_ADDRESS__
    free(pieces[piece_count].start);
#else
    munmap(pieces[piece_count].start, pieces[piece_count].bytes);
#endif
  }
}

#endif
