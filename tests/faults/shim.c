// Loaded into a Steno process (LD_PRELOAD) to log, count and break its system calls.
//
// A point is a call that changes a file below LD_SHIM_ROOT or sends a datagram there. Points are numbered from 1 in the order in which the
// process or its children reach them. Settings in the environment:
//   LD_SHIM_ROOT   the data folder
//   LD_SHIM_LOG    append a line for each point and for each "202" that is sent: <sequence> <call> <path>
//   LD_SHIM_KILL   "before:N" or "after:N": end the process at point N, like a power cut
//   LD_SHIM_FAIL   "write:N" or "sync:N": the N-th of these calls fails with EIO
//   LD_SHIM_LOCK   while this file exists, the disk is read-only: every point fails with EROFS, except datagrams
//   LD_SHIM_CLOCK  a file with seconds to add to the wall clock
//   LD_SHIM_HANG   while this file exists, one of the api's event loops hangs
//   LD_SHIM_DECODER  what a decoder does instead: "leave" (close the pipe and stay), "babble" (write without end), "lie", or
//               "hang" at its first write to a file
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *clock_path, *lock_path, *hang_path;
static size_t root_length;
static int log_fd = -1, kill_after;
static long kill_at, fail_at;
static int hangs;
static char fail_call[16];
static struct { long points, failing; } *count;  // all, and those of the call that is to fail

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

// Child processes share the count of points through an unnamed file.
static void share_count(void) {
  const char *inherited = getenv("LD_SHIM_COUNT");
  int fd = inherited ? atoi(inherited) : memfd_create("points", 0);
  if (!inherited) {
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    if (fd < 0 || ftruncate(fd, sizeof *count) || setenv("LD_SHIM_COUNT", number, 1)) abort();
  }
  count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (count == MAP_FAILED) abort();
}

static int is_decoder(void) {
  char arguments[256] = "";
  int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? 0 : read(fd, arguments, sizeof arguments);
  close(fd);
  return length > 0 && memmem(arguments, length, "--decode", 8);
}

static void misbehave(const char *how) {
  if ((hangs = !strcmp(how, "hang"))) return;
  // The decoder has started. An earlier end counts as a machine error.
  const char *alive = "\"Alive\"\n";
  prctl(PR_SET_NAME, "steno-decode");
  if (syscall(SYS_write, 1, alive, strlen(alive)) < 0) abort();
  const char *lie = "{\"Prepared\":{\"duration_ms\":9,\"spans\":[{\"stretches\":[{\"start_sample\":0,\"end_sample\":99}],\"doubtful\":false}],\"truncated\":false,\"channels\":1,\"is_one_sound\":false}}\n";
  if (!strcmp(how, "leave")) {
    close(1);
    close(2);
  }
  if (!strcmp(how, "lie") && syscall(SYS_write, 1, lie, strlen(lie)) < 0) abort();
  for (;;) {
    if (!strcmp(how, "babble") && syscall(SYS_write, 1, "x", 1) < 0) abort();
    usleep(20000);
  }
}

__attribute__((constructor)) static void start(void) {
  const char *value;
  if ((value = getenv("LD_SHIM_DECODER")) && is_decoder()) misbehave(value);
  root = getenv("LD_SHIM_ROOT");
  root_length = root ? strlen(root) : 0;
  clock_path = getenv("LD_SHIM_CLOCK");
  lock_path = getenv("LD_SHIM_LOCK");
  hang_path = getenv("LD_SHIM_HANG");
  share_count();
  if ((value = getenv("LD_SHIM_LOG"))) log_fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if ((value = getenv("LD_SHIM_KILL"))) {
    kill_after = value[0] == 'a';
    kill_at = atol(strchr(value, ':') + 1);
  }
  if ((value = getenv("LD_SHIM_FAIL"))) {
    fail_at = atol(strchr(value, ':') + 1);
    snprintf(fail_call, sizeof fail_call, "%.*s", (int)strcspn(value, ":"), value);
  }
}

static int below_root(const char *path) { return root && path && !strncmp(path, root, root_length); }

// Paths of open files. A sandboxed decoder may not read links.
static char opened[64][512];

static int remember(int fd, const char *path) {
  if (fd >= 0 && fd < 64) snprintf(opened[fd], sizeof opened[fd], "%s", path);
  return fd;
}

static int path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, size - 1);
  if (length < 0 && fd >= 0 && fd < 64) length = snprintf(path, size, "%s", opened[fd]);
  if (length <= 0) return 0;
  path[length] = 0;
  return below_root(path);
}

static void note(long point, const char *call, const char *path) {
  char line[4200];
  int length = snprintf(line, sizeof line, "%ld %s %s\n", point, call, path);
  if (log_fd >= 0) syscall(SYS_write, log_fd, line, length);
}

static void end_here(void) {
  // A sandboxed decoder may signal itself only this way.
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGKILL);
  for (;;) pause();
}

// Reaches a point. Returns its number; *fails is set if the call must fail with errno.
static long reach(const char *call, const char *path, int *fails) {
  pthread_mutex_lock(&lock);
  long point = __atomic_add_fetch(&count->points, 1, __ATOMIC_SEQ_CST);
  int is_due = !strcmp(call, fail_call) && __atomic_add_fetch(&count->failing, 1, __ATOMIC_SEQ_CST) == fail_at;
  note(point, call, path);
  pthread_mutex_unlock(&lock);
  if (point == kill_at && !kill_after) end_here();
  int is_locked = lock_path && strcmp(call, "datagram") && !access(lock_path, F_OK);
  *fails = is_locked || is_due;
  if (*fails) errno = is_locked ? EROFS : EIO;
  return point;
}

static void leave(long point) {
  int saved = errno;
  if (point == kill_at && kill_after) end_here();
  errno = saved;
}

#define POINT(call, path, expression)               \
  do {                                              \
    int fails;                                      \
    long point = reach(call, path, &fails);         \
    if (fails) return -1;                           \
    __auto_type result = expression;                \
    leave(point);                                   \
    return result;                                  \
  } while (0)

// A 202 is logged, but is not a point.
static void look_at(const void *bytes, size_t length) {
  if (log_fd < 0 || length < 12 || memcmp(bytes, "HTTP/1.1 202", 12)) return;
  pthread_mutex_lock(&lock);
  note(count->points, "answer", "202");
  pthread_mutex_unlock(&lock);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return remember(REAL(open64)(path, flags, mode), path);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  while (hangs && fd > 2) pause();
  char path[4096];
  if (fd == log_fd || !path_of(fd, path, sizeof path)) {
    look_at(bytes, length);
    return REAL(write)(fd, bytes, length);
  }
  POINT("write", path, REAL(write)(fd, bytes, length));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (count > 0) look_at(parts[0].iov_base, parts[0].iov_len);
  return REAL(writev)(fd, parts, count);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
  look_at(bytes, length);
  return REAL(send)(fd, bytes, length, flags);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  char path[4096];
  if (!path_of(fd, path, sizeof path)) return REAL(pwrite64)(fd, bytes, length, at);
  POINT("write", path, REAL(pwrite64)(fd, bytes, length, at));
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }

int fsync(int fd) {
  char path[4096];
  if (!path_of(fd, path, sizeof path)) return REAL(fsync)(fd);
  POINT("sync", path, REAL(fsync)(fd));
}

int fdatasync(int fd) {
  char path[4096];
  if (!path_of(fd, path, sizeof path)) return REAL(fdatasync)(fd);
  POINT("sync", path, REAL(fdatasync)(fd));
}

int ftruncate64(int fd, off64_t length) {
  char path[4096];
  if (!path_of(fd, path, sizeof path)) return REAL(ftruncate64)(fd, length);
  POINT("truncate", path, REAL(ftruncate64)(fd, length));
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int rename(const char *from, const char *to) {
  if (!below_root(from)) return REAL(rename)(from, to);
  POINT("rename", to, REAL(rename)(from, to));
}

int unlink(const char *path) {
  if (!below_root(path)) return REAL(unlink)(path);
  POINT("unlink", path, REAL(unlink)(path));
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
  const struct sockaddr_un *address = (const struct sockaddr_un *)to;
  // Steno addresses sockets through its open folder, because their path can be too long.
  if (!root || !to || to->sa_family != AF_UNIX || strncmp(address->sun_path, "/proc/self/fd/", 14)) {
    return REAL(sendto)(fd, bytes, length, flags, to, size);
  }
  POINT("datagram", address->sun_path, REAL(sendto)(fd, bytes, length, flags, to, size));
}

// The first event loop that waits here hangs. No other does.
int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms) {
  static int has_hung;
  char name[16] = "";
  prctl(PR_GET_NAME, name);
  int is_due = hang_path && !strcmp(name, "actix-rt|system") && !access(hang_path, F_OK);
  if (is_due && !__atomic_exchange_n(&has_hung, 1, __ATOMIC_SEQ_CST)) {
    while (!access(hang_path, F_OK)) usleep(20000);
  }
  return REAL(epoll_wait)(fd, events, most, timeout_ms);
}

int clock_gettime(clockid_t which, struct timespec *time) {
  int result = (int)syscall(SYS_clock_gettime, which, time);
  if (result || which != CLOCK_REALTIME || !clock_path) return result;
  char text[32];
  int fd = (int)syscall(SYS_openat, AT_FDCWD, clock_path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return result;
  long length = syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  text[length > 0 ? length : 0] = 0;
  time->tv_sec += atol(text);
  return result;
}
