;;; pybus-flymake.el --- Flymake through the bus  -*- lexical-binding: t; -*-

;; The buffer goes to a queue of pybus; lint_worker and test_worker take it from there.
;; Start them, and put this into your init file:
;;
;;   (load "/path/to/examples/flymake/pybus-flymake.el")
;;   (add-hook 'python-mode-hook #'pybus-flymake-setup)
;;
;; Tests run the project's code, and pylint its plugins: use this for projects that you trust.

;;; Code:

(require 'flymake)

(defvar pybus-flymake-command
  (expand-file-name "check_buffer" (file-name-directory (or load-file-name buffer-file-name)))
  "The program that hands a buffer to the bus and prints what comes back.")

(defvar-local pybus-flymake--processes nil
  "The newest process of each kind of check: a list of (KIND . PROCESS).")

(defun pybus-flymake-setup ()
  "Check this buffer with the workers on the bus."
  (interactive)
  (add-hook 'flymake-diagnostic-functions #'pybus-flymake-lint nil t)
  (add-hook 'flymake-diagnostic-functions #'pybus-flymake-test nil t)
  (flymake-mode 1))

(defun pybus-flymake-lint (report &rest _)
  "Flymake's backend for lint_worker.  REPORT takes the diagnostics."
  (pybus-flymake--start "lint" report))

(defun pybus-flymake-test (report &rest _)
  "Flymake's backend for test_worker, which runs the tests on saved files.
REPORT takes the diagnostics; an unsaved buffer has none."
  (if (buffer-modified-p)
      (progn (pybus-flymake--forget "test")
             (funcall report nil))
    (pybus-flymake--start "test" report)))

(defun pybus-flymake--forget (kind)
  "End the check of this KIND, whose text is out of date; its worker drops it."
  (let ((process (alist-get kind pybus-flymake--processes nil t #'equal)))
    (setf (alist-get kind pybus-flymake--processes nil t #'equal) nil)
    (when (process-live-p process)
      (delete-process process))))

(defun pybus-flymake--start (kind report)
  "Send the buffer to the workers of this KIND; REPORT takes what they find."
  (unless buffer-file-name
    (error "Only a buffer with a file can be checked"))
  (pybus-flymake--forget kind)
  (let* ((source (current-buffer))
         (process
          (make-process
           :name (concat "pybus-flymake-" kind)
           :command (list pybus-flymake-command kind buffer-file-name)
           :buffer (generate-new-buffer " *pybus-flymake*")
           :coding 'utf-8-unix
           :connection-type 'pipe
           :noquery t
           :sentinel (lambda (process _event)
                       (unless (process-live-p process)
                         (pybus-flymake--ended process source kind report))))))
    (setf (alist-get kind pybus-flymake--processes nil nil #'equal) process)
    (save-restriction
      (widen)
      (process-send-region process (point-min) (point-max)))
    (process-send-eof process)))

(defun pybus-flymake--ended (process source kind report)
  "PROCESS has checked the buffer SOURCE: tell REPORT what it printed.
Not if a newer check of this KIND runs."
  (with-current-buffer (process-buffer process)
    (let ((output (buffer-string)))
      (kill-buffer)
      (when (buffer-live-p source)
        (with-current-buffer source
          (when (eq process (alist-get kind pybus-flymake--processes nil nil #'equal))
            (funcall report
                     (if (zerop (process-exit-status process))
                         (pybus-flymake--diagnostics output)
                       (list (pybus-flymake--diagnostic 1 0 "warning" (pybus-flymake--reason output)))))))))))

(defun pybus-flymake--reason (output)
  "Why a check has failed, as the last line of OUTPUT tells."
  (or (car (last (split-string output "\n" t))) "pybus-flymake's process was killed"))

(defun pybus-flymake--diagnostics (output)
  "The diagnostics of the current buffer that the lines of OUTPUT tell."
  (let (found)
    (dolist (line (split-string output "\n" t) (nreverse found))
      (when (string-match "\\`\\([0-9]+\\):\\([0-9]+\\): \\([a-z]+\\): \\(.*\\)" line)
        (push (pybus-flymake--diagnostic (string-to-number (match-string 1 line))
                                         (string-to-number (match-string 2 line))
                                         (match-string 3 line)
                                         (match-string 4 line))
              found)))))

(defun pybus-flymake--diagnostic (line column type text)
  "A diagnostic of the current buffer, of TYPE with TEXT.
It is at LINE and COLUMN, or on all of the line if COLUMN is 0."
  (pcase-let ((`(,begin . ,end)
               (flymake-diag-region (current-buffer) line (and (> column 0) column))))
    (flymake-make-diagnostic (current-buffer) begin end (intern (concat ":" type)) text)))

(provide 'pybus-flymake)
;;; pybus-flymake.el ends here
